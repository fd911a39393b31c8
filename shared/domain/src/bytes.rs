//! Types of 32 bytes, such as keys and digests: base64 in the store, hidden in logs.

/// Defines a type of 32 bytes that serialises as base64 and whose `Debug` hides them.
macro_rules! hidden_bytes {
    ($(#[$doc:meta])* $visible:vis struct $name:ident;) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        $visible struct $name([u8; 32]);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use base64::Engine as _;
                serializer.serialize_str(&base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use base64::Engine as _;
                use serde::de::Error as _;
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                    .decode(text)
                    .map_err(D::Error::custom)?;
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| D::Error::custom("it must have 32 bytes"))
            }
        }
    };
}

pub(crate) use hidden_bytes;
