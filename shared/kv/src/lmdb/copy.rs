//! A copy of the data file as of one commit, while this and other processes write.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

use heed::CompactionOption;

use super::environment::{Environment, failure};
use crate::error::Error;

/// The bytes of a store's data file as of one commit: the newest when the copy began.
///
/// The copy holds a snapshot until its end. Until then, LMDB reuses no page that is freed meanwhile, so the data file
/// of a busy store grows. To stop the copy, drop it.
pub struct StoreCopy {
    pipe: PipeReader,
    /// `None` after the end was read.
    thread: Option<JoinHandle<Result<(), Error>>>,
    expected_len: u64,
}

impl StoreCopy {
    pub(super) fn start(environment: Environment, expected_len: u64) -> Result<Self, Error> {
        let (pipe, writer) = io::pipe().map_err(|error| failure(&error.into()))?;
        let mut writer = File::from(OwnedFd::from(writer));
        // Without compaction, which would reset the transaction id, on which the order of appended entries depends.
        let copy = move || {
            let copied = environment.env.copy_to_file(&mut writer, CompactionOption::Disabled);
            copied.map_err(|error| failure(&error))
        };
        // A thread, because LMDB waits for the write lock before it copies, and then until the pipe is read.
        let thread = thread::Builder::new().name("kv-copy".to_owned()).spawn(copy);
        Ok(Self {
            pipe,
            thread: Some(thread.map_err(|error| failure(&error.into()))?),
            expected_len,
        })
    }

    /// About the number of bytes to expect.
    pub fn expected_len(&self) -> u64 {
        self.expected_len
    }
}

impl Read for StoreCopy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.pipe.read(buffer)?;
        if len == 0 && !buffer.is_empty() {
            // The end of the pipe is the end of the thread, whose error says whether the copy is complete.
            if let Some(thread) = self.thread.take() {
                let copied = thread
                    .join()
                    .map_err(|_| io::Error::other("the copying thread panicked"))?;
                copied.map_err(io::Error::other)?;
            }
        }
        Ok(len)
    }
}
