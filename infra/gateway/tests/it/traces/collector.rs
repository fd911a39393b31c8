//! A collector for OTLP over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// The limit for a span to arrive.
const LIMIT: Duration = Duration::from_secs(60);

/// One export.
pub struct Export {
    /// The request line and the headers, in lower case.
    pub head: String,
    pub body: Vec<u8>,
    pub resource: Resource,
    pub spans: Vec<Span>,
}

/// Accepts every export.
pub struct Collector {
    address: String,
    exports: Receiver<Export>,
    /// The exports so far.
    pub received: Vec<Export>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, exports) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &sender));
            }
        });
        Self {
            address,
            exports,
            received: Vec::new(),
        }
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.address
    }

    /// Waits for the span that `is_wanted` accepts.
    ///
    /// # Panics
    /// If it does not arrive.
    pub fn span(&mut self, is_wanted: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(span) = self.spans().find(|span| is_wanted(span)) {
                return span.clone();
            }
            let export = self.exports.recv_timeout(LIMIT).expect("the span arrives");
            self.received.push(export);
        }
    }

    /// All spans so far.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.received.iter().flat_map(|export| &export.spans)
    }

    /// The exports that have arrived when the process has ended.
    pub fn drain(&mut self) {
        self.received.extend(self.exports.try_iter());
    }
}

/// Serves the exports of one connection.
fn serve(stream: &TcpStream, exports: &Sender<Export>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let (_, rest) = head.split_once("content-length: ").expect("a body with a length");
        let length = rest.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("an export");
        let mut spans = Vec::new();
        let mut resource = Resource::default();
        for of_resource in request.resource_spans {
            resource = of_resource.resource.expect("spans have a resource");
            spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        let export = Export {
            head,
            body,
            resource,
            spans,
        };
        // Sent before the response: when the gateway has ended, everything that it sent is here.
        let _ = exports.send(export);
        (&*stream)
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    }
}

/// The attributes as text, in the order of their names.
pub fn attributes(of: &[KeyValue]) -> Vec<(String, String)> {
    let mut attributes: Vec<_> = of
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            let text = match value.expect("an attribute has a value") {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => number.to_string(),
                other => panic!("{}: {other:?}", attribute.key),
            };
            (attribute.key.clone(), text)
        })
        .collect();
    attributes.sort();
    attributes
}

/// The value of the attribute, if the span has it.
pub fn attribute(span: &Span, name: &str) -> Option<String> {
    let mut found = attributes(&span.attributes).into_iter();
    found.find_map(|(known, value)| (known == name).then_some(value))
}
