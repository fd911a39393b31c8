//! The threads that serve the connections of a server: one for each core, each with its own runtime.
//!
//! A connection is assigned to the thread with the fewest connections, and stays there. A request computes for
//! microseconds; otherwise it waits for the store or for a password hash, which other threads compute. So taking over
//! the work of another thread gains little, and every request would pay for waking the threads that look for such work.
//! The price: work on a thread that does not yield delays the other connections of that thread. So long work, such as a
//! search through a thousand sessions, yields in between.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::log::sink::flush_before_park;

/// The number of its own tasks after which a thread polls one that another thread has woken or spawned.
const GLOBAL_QUEUE_INTERVAL: u32 = 4;

/// The threads. Dropping them ends them, and drops their unfinished tasks.
pub(super) struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    /// Every task holds a clone, so that the strong count counts the tasks.
    tasks: Arc<()>,
    /// The thread ends when this is dropped.
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts one thread for each core.
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut threads = Self(Vec::with_capacity(cores));
        for number in 0..cores {
            threads.0.push(Thread::start(number)?);
        }
        Ok(threads)
    }

    /// The number of threads.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs a task on the thread with the fewest tasks; `task` makes it from the number of that thread.
    ///
    /// Panics if all threads have ended, which happens only if their runtimes panic: a server that cannot serve must
    /// end, too.
    pub(super) fn spawn<F>(&self, task: impl FnOnce(usize) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.0.iter().enumerate().filter(|(_, thread)| thread.is_running());
        let least_loaded = running.min_by_key(|(_, thread)| Arc::strong_count(&thread.tasks));
        let (number, thread) = least_loaded.expect("a thread that serves connections is left");
        let Thread { runtime, tasks, .. } = thread;
        let (counted, task) = (tasks.clone(), task(number));
        runtime.spawn(async move {
            task.await;
            drop(counted);
        });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // First all of them stop, then they are joined.
        for thread in &mut self.0 {
            thread.stop = None;
        }
        for handle in self.0.drain(..).filter_map(|thread| thread.handle) {
            // The panic hook has logged the panic of a thread.
            let _ = handle.join();
        }
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_thread_park(flush_before_park);
        // A busy thread must notice the work that other threads hand to it: finished commits and hashes, and new
        // connections.
        let runtime = builder.global_queue_interval(GLOBAL_QUEUE_INTERVAL).build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        Ok(Self {
            runtime: runtime.handle().clone(),
            tasks: Arc::default(),
            stop: Some(stop),
            handle: Some(thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
                // Nothing is ever sent: dropping the sender ends the wait.
                let _ = runtime.block_on(stopped);
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

    /// Three threads, however many cores there are.
    fn three() -> Threads {
        Threads((0..3).map(|number| Thread::start(number).unwrap()).collect())
    }

    /// Waits until a thread has no tasks.
    async fn wait_for_idle_thread(threads: &Threads) {
        while threads.0.iter().all(|thread| Arc::strong_count(&thread.tasks) > 1) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_runs_on_the_thread_with_the_fewest_tasks() {
        let threads = three();
        let (send, mut started) = mpsc::unbounded_channel();
        let spawn = || {
            let send = send.clone();
            let (end, ended) = oneshot::channel::<()>();
            threads.spawn(|_| async move {
                send.send(thread::current().id()).unwrap();
                let _ = ended.await;
            });
            end
        };
        let mut tasks: HashMap<ThreadId, Vec<_>> = HashMap::new();
        for _ in 0..6 {
            let end = spawn();
            tasks.entry(started.recv().await.unwrap()).or_default().push(end);
        }
        assert_eq!(tasks.values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        assert!(!tasks.contains_key(&thread::current().id()));

        let idle = *tasks.keys().next().unwrap();
        tasks.remove(&idle);
        wait_for_idle_thread(&threads).await;
        let _more = [spawn(), spawn()];
        assert_eq!([started.recv().await, started.recv().await], [Some(idle); 2]);
    }

    #[tokio::test]
    async fn a_task_is_made_with_the_number_of_its_thread() {
        let threads = three();
        let (send, mut started) = mpsc::unbounded_channel();
        for _ in 0..3 {
            let send = send.clone();
            threads.spawn(|number| async move {
                send.send((number, thread::current().name().map(str::to_owned)))
                    .unwrap();
                pending::<()>().await;
            });
        }
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let (number, name) = started.recv().await.unwrap();
            assert_eq!(name, Some(format!("serve-{number}")));
            numbers.push(number);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_alone_and_no_longer_counts() {
        let threads = Threads(vec![Thread::start(0).unwrap()]);
        threads.spawn(|_| async { panic!("on purpose") });
        wait_for_idle_thread(&threads).await;
        let (send, result) = oneshot::channel();
        threads.spawn(|_| async { send.send(1).unwrap() });
        assert_eq!(result.await, Ok(1));
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_gets_no_tasks() {
        let mut threads = three();
        for ended in [0, 1] {
            threads.0[ended].stop = None;
            while threads.0[ended].is_running() {
                tokio::task::yield_now().await;
            }
        }
        for number in 0..3 {
            let (send, result) = oneshot::channel();
            threads.spawn(|_| async move { send.send(number).unwrap() });
            assert_eq!(result.await, Ok(number));
        }
    }

    #[test]
    fn dropping_the_threads_drops_their_unfinished_tasks() {
        let (threads, held) = (three(), Arc::new(()));
        for _ in 0..6 {
            let held = held.clone();
            threads.spawn(|_| async move {
                pending::<()>().await;
                drop(held);
            });
        }
        drop(threads);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
