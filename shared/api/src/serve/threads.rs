//! The threads that serve the connections of a server that has all cores: one for each core, each with a runtime of its own.
//!
//! A connection stays with the thread that it was given to, which is the one that has the fewest of them. What a request does takes microseconds, or
//! waits for the store or for a hash, which is the work of other threads; so a thread that would take over what another has to do gains little, and
//! to wake it and have it look for that costs every request something. The price: what takes long on a thread, such as a search through a
//! thousand sessions, holds up the connections of that thread, and no other helps.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::log::sink::flush_before_park;

/// After so many of its own tasks a thread takes up one that another has woken or spawned.
const TAKE_UP_EVERY: u32 = 4;

/// They end when this is dropped, and with them the tasks that they have not finished.
pub(super) struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    /// Each of its tasks has a clone.
    tasks: Arc<()>,
    /// It ends when this is dropped.
    until: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Threads {
    /// One for each core.
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut threads = Self(Vec::with_capacity(cores));
        for number in 0..cores {
            threads.0.push(Thread::start(number)?);
        }
        Ok(threads)
    }

    /// Runs `task` on the thread that has the fewest.
    ///
    /// Panics if all have ended, which they do only if their runtimes panic: a server that can not serve has to end, too.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.0.iter().filter(|thread| thread.is_running());
        let idlest = running.min_by_key(|thread| Arc::strong_count(&thread.tasks));
        let Thread { runtime, tasks, .. } = idlest.expect("a thread that serves connections is left");
        let counted = tasks.clone();
        runtime.spawn(async move {
            task.await;
            drop(counted);
        });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // All are told before one is waited for.
        for thread in &mut self.0 {
            thread.until = None;
        }
        for handle in self.0.drain(..).filter_map(|thread| thread.handle) {
            // One that has panicked has said so.
            let _ = handle.join();
        }
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_thread_park(flush_before_park);
        // What others have done for it is taken up as often, also if it has always something to do: commits, hashes, and new connections.
        let runtime = builder.global_queue_interval(TAKE_UP_EVERY).build()?;
        let (until, told) = oneshot::channel();
        Ok(Self {
            runtime: runtime.handle().clone(),
            tasks: Arc::default(),
            until: Some(until),
            handle: Some(thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
                // Nobody says anything: what is waited for is that nobody can any more.
                let _ = runtime.block_on(told);
            })?),
        })
    }

    fn is_running(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| !handle.is_finished())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::future::pending;
    use std::thread::ThreadId;

    use tokio::sync::mpsc;

    use super::*;

    /// Three of them, however many cores there are.
    fn three() -> Threads {
        Threads((0..3).map(|number| Thread::start(number).unwrap()).collect())
    }

    /// Waits until a thread has no tasks.
    async fn until_one_is_free(threads: &Threads) {
        while threads.0.iter().all(|thread| Arc::strong_count(&thread.tasks) > 1) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_goes_to_the_thread_that_has_the_fewest() {
        let threads = three();
        let (send, mut begun) = mpsc::unbounded_channel();
        let spawn = || {
            let send = send.clone();
            let (end, ended) = oneshot::channel::<()>();
            threads.spawn(async move {
                send.send(thread::current().id()).unwrap();
                let _ = ended.await;
            });
            end
        };
        let mut tasks: HashMap<ThreadId, Vec<_>> = HashMap::new();
        for _ in 0..6 {
            let end = spawn();
            tasks.entry(begun.recv().await.unwrap()).or_default().push(end);
        }
        assert_eq!(tasks.values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        assert!(!tasks.contains_key(&thread::current().id()));

        let free = *tasks.keys().next().unwrap();
        tasks.remove(&free);
        until_one_is_free(&threads).await;
        let _more = [spawn(), spawn()];
        assert_eq!([begun.recv().await, begun.recv().await], [Some(free); 2]);
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_alone_and_leaves_its_place() {
        let threads = Threads(vec![Thread::start(0).unwrap()]);
        threads.spawn(async { panic!("as this test wants it") });
        until_one_is_free(&threads).await;
        let (send, answer) = oneshot::channel();
        threads.spawn(async { send.send(1).unwrap() });
        assert_eq!(answer.await, Ok(1));
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_is_given_nothing() {
        let mut threads = three();
        for ended in [0, 1] {
            threads.0[ended].until = None;
            while threads.0[ended].is_running() {
                tokio::task::yield_now().await;
            }
        }
        for number in 0..3 {
            let (send, answer) = oneshot::channel();
            threads.spawn(async move { send.send(number).unwrap() });
            assert_eq!(answer.await, Ok(number));
        }
    }

    #[test]
    fn they_end_with_what_they_have_not_finished() {
        let (threads, held) = (three(), Arc::new(()));
        for _ in 0..6 {
            let held = held.clone();
            threads.spawn(async move {
                pending::<()>().await;
                drop(held);
            });
        }
        drop(threads);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
