//! An object store in memory, for tests.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use sha2::{Digest as _, Sha256};

/// An upload that has not ended: its parts by number.
type Parts = BTreeMap<u16, Bytes>;

#[derive(Debug, Default)]
struct State {
    uploads: BTreeMap<(ObjectKey, String), Parts>,
    objects: BTreeMap<ObjectKey, Bytes>,
    created: usize,
    /// The number of reads of objects.
    reads: usize,
    /// Whether every call fails.
    is_down: bool,
}

/// An object store in memory, with small parts.
#[derive(Debug, Default)]
pub(crate) struct MemoryObjects(Mutex<State>);

impl MemoryObjects {
    /// The numbers of objects and of uploads.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.0.lock().unwrap();
        (state.objects.len(), state.uploads.len())
    }

    /// The number of reads of objects so far.
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    fn call<T: Send + 'static>(&self, act: impl FnOnce(&mut State) -> Result<T, ObjectError>) -> Call<'static, T> {
        let mut state = self.0.lock().unwrap();
        let result = if state.is_down {
            Err(ObjectError::Unavailable("down".to_owned()))
        } else {
            act(&mut state)
        };
        Box::pin(std::future::ready(result))
    }
}

fn missing<T>() -> Result<T, ObjectError> {
    Err(ObjectError::Missing("test".to_owned()))
}

fn stored(parts: &Parts) -> Vec<StoredPart> {
    let stored = parts.iter().map(|(number, bytes)| StoredPart {
        number: *number,
        len: bytes.len() as u64,
        etag: format!("etag {number}"),
        sha256: Some(Sha256::digest(bytes).into()),
    });
    stored.collect()
}

impl ObjectStore for MemoryObjects {
    fn part_lengths(&self) -> PartLengths {
        PartLengths {
            min: 1 << 20,
            default: 4 << 20,
            max: 4 << 20,
        }
    }

    fn create_upload<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, String> {
        self.call(|state| {
            state.created += 1;
            let id = state.created.to_string();
            state.uploads.insert((key.clone(), id.clone()), Parts::new());
            Ok(id)
        })
    }

    fn sign_part(
        &self,
        _: &ObjectKey,
        _: &str,
        _: u16,
        _: (u64, [u8; 32]),
    ) -> Result<Option<SignedRequest>, ObjectError> {
        Ok(None)
    }

    fn sign_get(&self, _: &ObjectKey, _: &str, _: &str) -> Result<Option<SignedRequest>, ObjectError> {
        Ok(None)
    }

    fn put_part<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, number: u16, bytes: Bytes) -> Call<'a, ()> {
        self.call(|state| match state.uploads.get_mut(&(key.clone(), upload.to_owned())) {
            Some(parts) => {
                parts.insert(number, bytes);
                Ok(())
            }
            None => missing(),
        })
    }

    fn list_parts<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, Vec<StoredPart>> {
        self.call(|state| match state.uploads.get(&(key.clone(), upload.to_owned())) {
            Some(parts) => Ok(stored(parts)),
            None => missing(),
        })
    }

    fn complete<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, parts: &'a [StoredPart]) -> Call<'a, ()> {
        self.call(|state| match state.uploads.remove(&(key.clone(), upload.to_owned())) {
            Some(found) if stored(&found) == parts => {
                let bytes = found.into_values().collect::<Vec<_>>().concat();
                state.objects.insert(key.clone(), bytes.into());
                Ok(())
            }
            Some(found) => {
                state.uploads.insert((key.clone(), upload.to_owned()), found);
                missing()
            }
            None if state.objects.contains_key(key) => Ok(()),
            None => missing(),
        })
    }

    fn abort<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, ()> {
        self.call(|state| {
            state.uploads.remove(&(key.clone(), upload.to_owned()));
            Ok(())
        })
    }

    fn abort_older_than(&self, _: Duration) -> Call<'_, usize> {
        self.call(|_| Ok(0))
    }

    fn read<'a>(&'a self, key: &'a ObjectKey, range: Range<u64>) -> Call<'a, Bytes> {
        self.call(|state| {
            state.reads += 1;
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            state
                .objects
                .get(key)
                .map_or_else(missing, |bytes| Ok(bytes.slice(range)))
        })
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, ()> {
        self.call(|state| {
            state.objects.remove(key);
            Ok(())
        })
    }
}
