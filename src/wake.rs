//! Waking a member: one half word in its slot, and one thread that sleeps on it.
//!
//! The word is a set of reasons, and a bit that says that the thread sleeps:
//!
//! ```text
//! 31         30      3   2    1          0
//! [ SLEEPING |   -   | LOOK | REPAIRED | NEWS ]
//! ```
//!
//! * A waker first publishes what there is to see, then adds its reason. Only if the thread sleeps
//!   does the waker call the kernel: a hundred changes while the thread is awake cost no call. It
//!   calls even if its reason stands there already, for who put it there may be stopped, or have
//!   died, before its own call.
//! * The sleeper goes from 0 to SLEEPING in one step, which fails if a reason stands there; the
//!   kernel lets it sleep only while the word is just SLEEPING. Awake, it takes all reasons and the
//!   bit away in one step and then looks at what was published. All steps are on one word, so they
//!   have one order, and no wake-up falls between two of them.
//! * A waker may be killed between its reason and its call. Whoever mends what it left gives
//!   *every* member the reason REPAIRED, and that call wakes the sleeper for both.
//!
//! The thread takes no latch. It looks again by itself, every [`LOOK_AGAIN`], only while this member
//! waits for something.

use crate::error::Result;
use crate::os::futex;
use crate::segment::Segment;
use crate::segment::layout::member;
use crate::segment::members::{self, MemberId};
use crate::segment::region::Offset;
use crate::sync::{AtomicU32, Ordering};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The process itself has notices for the member.
pub const NEWS: u32 = 1;
/// What a dead member had left is mended.
pub const REPAIRED: u32 = 1 << 1;
/// No more than this: look around.
pub const LOOK: u32 = 1 << 2;
/// The thread sleeps.
const SLEEPING: u32 = 1 << 31;

/// How often the thread looks by itself while its member waits for something.
pub const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a member learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The hub is gone. Everything works without it but for admission and mending.
    HubLost,
    /// A hub has the segment again.
    HubFound,
    /// A process has died, and what it left is mended.
    Repaired,
}

/// Who is called with a member's notices, on the member's wake thread.
pub type Listener = Box<dyn Fn(&[Notice]) + Send>;

/// Adds a reason to a word and wakes who sleeps on it.
pub fn rouse(word: &AtomicU32, reason: u32) {
    // Release: what was published is seen by who takes the reason; pairs with the Acquire in
    // `sleep`.
    let before = word.fetch_or(reason, Ordering::Release);
    if before & SLEEPING != 0 {
        futex::wake(word);
    }
}

/// Sleeps until there is a reason, or for `timeout`, and takes all reasons away; 0 if there is none.
pub fn sleep(word: &AtomicU32, timeout: Option<Duration>) -> u32 {
    // Relaxed: the swap below sees to the order.
    let asleep = word.compare_exchange(0, SLEEPING, Ordering::Relaxed, Ordering::Relaxed);
    if asleep.is_ok() {
        futex::wait(word, SLEEPING, timeout);
    }
    // Acquire: pairs with the Release in `rouse`.
    word.swap(0, Ordering::Acquire) & !SLEEPING
}

/// Gives a reason to all members.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the header is damaged.
pub fn rouse_all(segment: &Segment, reason: u32) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    for info in members::all(region, layout)? {
        rouse(region.half(word_of(segment, info.id))?, reason);
    }
    Ok(())
}

fn word_of(segment: &Segment, id: MemberId) -> Offset {
    segment.layout().member(id.slot()).add(member::WAKE)
}

/// What a member's threads and its wake thread share.
#[derive(Debug)]
pub struct Waker {
    segment: Arc<Segment>,
    word: Offset,
    news: Mutex<Vec<Notice>>,
    thread: OnceLock<Mutex<Option<JoinHandle<()>>>>,
    stopped: AtomicBool,
    pending: AtomicUsize,
}

impl Waker {
    /// The waker of a member that has just joined.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
    pub fn new(segment: Arc<Segment>, id: MemberId) -> Result<Self> {
        let word = word_of(&segment, id);
        // Relaxed: reasons that came late for the slot's former user are nobody's.
        segment.region().half(word)?.store(0, Ordering::Relaxed);
        Ok(Self {
            segment,
            word,
            news: Mutex::default(),
            thread: OnceLock::new(),
            stopped: AtomicBool::new(false),
            pending: AtomicUsize::new(0),
        })
    }

    /// Whether it belongs to a member of this segment, by this mapping of it.
    #[must_use]
    pub fn is_of(&self, segment: &Arc<Segment>) -> bool {
        Arc::ptr_eq(&self.segment, segment)
    }

    /// Starts the thread, which calls `listener` from now on until [`stop`](Self::stop). A second
    /// call does nothing.
    ///
    /// # Errors
    /// [`crate::error::Error::System`] if there can be no more threads.
    pub fn listen(self: &Arc<Self>, listener: Listener) -> Result<()> {
        let mut result = Ok(());
        self.thread.get_or_init(|| {
            let waker = Arc::clone(self);
            let started = crate::os::spawn("csm-wake", move || waker.run(&listener));
            let handle = started.map_err(|error| result = Err(error)).ok();
            Mutex::new(handle)
        });
        result
    }

    /// Has the thread pass on a notice, if it was started: nobody else would.
    pub fn notify(&self, notice: Notice) {
        if self.thread.get().is_none() {
            return;
        }
        lock(&self.news).push(notice);
        self.rouse(NEWS);
    }

    /// From now on the member waits for something: the thread looks again by itself, until
    /// [`expect_no_more`](Self::expect_no_more) was called as often.
    pub fn expect(&self) {
        // Relaxed: the reason carries it over.
        if self.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.rouse(LOOK);
        }
    }

    /// Ends what [`expect`](Self::expect) began.
    pub fn expect_no_more(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the thread and waits for its end, unless it is the thread itself that calls.
    pub fn stop(&self) {
        // Release: pairs with the Acquire in `run`.
        self.stopped.store(true, Ordering::Release);
        self.rouse(LOOK);
        let handle = self.thread.get().and_then(|thread| lock(thread).take());
        if let Some(handle) = handle
            && handle.thread().id() != std::thread::current().id()
        {
            let _ = handle.join();
        }
    }

    fn rouse(&self, reason: u32) {
        // The offset was good when the waker was made.
        if let Ok(word) = self.segment.region().half(self.word) {
            rouse(word, reason);
        }
    }

    fn run(&self, listener: &Listener) {
        let Ok(word) = self.segment.region().half(self.word) else {
            return;
        };
        // Acquire: pairs with the Release in `stop`.
        while !self.stopped.load(Ordering::Acquire) {
            let is_waiting = self.pending.load(Ordering::Relaxed) > 0;
            let reasons = sleep(word, is_waiting.then_some(LOOK_AGAIN));
            let notices = self.collect(reasons);
            if !notices.is_empty() && !self.stopped.load(Ordering::Acquire) {
                listener(&notices);
            }
        }
    }

    fn collect(&self, reasons: u32) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut *lock(&self.news));
        if reasons & REPAIRED != 0 {
            notices.push(Notice::Repaired);
        }
        notices
    }
}

/// Nothing here leaves what it has locked half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::process::ProcessId;
    use std::sync::mpsc;

    fn waker() -> Arc<Waker> {
        let segment = Arc::new(crate::store::create(16 << 20).unwrap());
        let id = members::join(segment.region(), segment.layout(), ProcessId::current(), 0);
        Arc::new(Waker::new(segment, id.unwrap()).unwrap())
    }

    fn listen(waker: &Arc<Waker>) -> mpsc::Receiver<Vec<Notice>> {
        let (send, receive) = mpsc::channel();
        let listener = move |notices: &[Notice]| drop(send.send(notices.to_vec()));
        waker.listen(Box::new(listener)).unwrap();
        receive
    }

    #[test]
    fn a_reason_that_is_there_lets_nobody_sleep() {
        let word = AtomicU32::new(0);
        rouse(&word, NEWS);
        assert_eq!(sleep(&word, None), NEWS);
        assert_eq!(sleep(&word, Some(Duration::from_millis(1))), 0);
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_wake_up_is_lost() {
        const ROUNDS: u32 = 20_000;
        let (there, back) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    while sleep(&there, None) & NEWS == 0 {}
                    rouse(&back, NEWS);
                }
            });
            for _ in 0..ROUNDS {
                rouse(&there, NEWS);
                while sleep(&back, None) & NEWS == 0 {}
            }
        });
    }

    #[test]
    fn a_new_reason_wakes_who_sleeps_beside_an_old_one() {
        // As if a waker had been killed between its reason and its call.
        let word = AtomicU32::new(SLEEPING);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                futex::wait(&word, SLEEPING, None);
                word.swap(0, Ordering::Acquire)
            });
            std::thread::sleep(Duration::from_millis(20));
            word.fetch_or(NEWS, Ordering::Release);
            rouse(&word, REPAIRED);
            assert_eq!(sleeper.join().unwrap(), SLEEPING | NEWS | REPAIRED);
        });
    }

    #[test]
    fn notices_arrive_in_order_and_end_with_stop() {
        let waker = waker();
        waker.notify(Notice::HubFound);
        let notices = listen(&waker);
        for notice in [Notice::HubLost, Notice::HubFound] {
            waker.notify(notice);
        }
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend(notices.recv().unwrap());
        }
        assert_eq!(got, [Notice::HubLost, Notice::HubFound]);
        waker.stop();
        waker.notify(Notice::HubLost);
        assert!(notices.recv().is_err(), "the thread has ended");
    }

    #[test]
    fn all_members_learn_of_a_repair() {
        let waker = waker();
        let notices = listen(&waker);
        rouse_all(&waker.segment, REPAIRED).unwrap();
        assert_eq!(notices.recv().unwrap(), [Notice::Repaired]);
        waker.stop();
    }

    #[test]
    fn the_thread_may_stop_itself() {
        let waker = waker();
        let (send, receive) = mpsc::channel();
        let inner = Arc::clone(&waker);
        let listener = move |_: &[Notice]| {
            inner.stop();
            let _ = send.send(());
        };
        waker.listen(Box::new(listener)).unwrap();
        waker.notify(Notice::HubLost);
        receive.recv().unwrap();
    }
}
