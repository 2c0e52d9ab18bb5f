//! The wake thread of a member: sleeps on the member's half word ([`crate::wake`]) and tells
//! JavaScript when there is something to look at. It takes no latch and reads nothing else.

use crate::error::Result;
use crate::os;
use crate::segment::Segment;
use crate::segment::members::MemberId;
use crate::sync::{AtomicU32, Ordering};
use crate::wake;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

/// What a member learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The hub is gone. Everything works without it but for admission and mending.
    HubLost,
    /// A hub has the segment again.
    HubFound,
    /// There may be something for JavaScript to look at, which has [`settled`](wake::settle) since
    /// it was told so the last time.
    News,
}

/// Who is called with a member's notices, on the member's wake thread.
pub type Listener = Box<dyn Fn(&[Notice]) + Send>;

/// What a member's threads and its wake thread share.
#[derive(Debug)]
pub struct Waker {
    segment: Arc<Segment>,
    id: MemberId,
    notices: Mutex<Vec<Notice>>,
    thread: OnceLock<Mutex<Option<JoinHandle<()>>>>,
    stopped: AtomicBool,
}

impl Waker {
    /// The waker of a member that has just joined.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
    pub fn new(segment: Arc<Segment>, id: MemberId) -> Result<Self> {
        // Relaxed: reasons that came late for the slot's former user are nobody's.
        segment.region().half(wake::word_of(&segment, id.slot()))?.store(0, Ordering::Relaxed);
        let stopped = AtomicBool::new(false);
        Ok(Self { segment, id, notices: Mutex::default(), thread: OnceLock::new(), stopped })
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
            let started = os::spawn("csm-wake", move || waker.run(&listener));
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
        lock(&self.notices).push(notice);
        self.rouse();
    }

    /// Ends the thread and waits for its end, unless it is the thread itself that calls.
    pub fn stop(&self) {
        // Release: pairs with the Acquire in `run`.
        self.stopped.store(true, Ordering::Release);
        self.rouse();
        let handle = self.thread.get().and_then(|thread| lock(thread).take());
        if let Some(handle) = handle
            && handle.thread().id() != std::thread::current().id()
        {
            let _ = handle.join();
        }
    }

    fn word(&self) -> Option<&AtomicU32> {
        // The offset was good when the waker was made.
        self.segment.region().half(wake::word_of(&self.segment, self.id.slot())).ok()
    }

    fn rouse(&self) {
        if let Some(word) = self.word() {
            wake::rouse(word, wake::OTHER);
        }
    }

    fn run(&self, listener: &Listener) {
        let Some(word) = self.word() else {
            return;
        };
        // Acquire: pairs with the Release in `stop`.
        while !self.stopped.load(Ordering::Acquire) {
            let reasons = wake::sleep(word);
            let notices = self.collect(reasons);
            if !notices.is_empty() && !self.stopped.load(Ordering::Acquire) {
                listener(&notices);
            }
        }
    }

    fn collect(&self, reasons: u32) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut *lock(&self.notices));
        if reasons & wake::REPAIRED != 0 {
            // Look everywhere.
            let _ = wake::note_all(&self.segment, self.id);
        }
        if reasons & wake::FOR_JAVASCRIPT != 0 {
            notices.push(Notice::News);
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
    use crate::segment::members;
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
    fn a_burst_of_news_is_told_once_until_javascript_has_settled() {
        let waker = waker();
        let notices = listen(&waker);
        let word = waker.word().unwrap();
        for shard in [0, 1, 1] {
            wake::tell(&waker.segment, waker.id.slot(), shard).unwrap();
        }
        assert_eq!(notices.recv().unwrap(), [Notice::News]);
        while wake::settle(word) != 0 {}
        assert_eq!(wake::take_news(&waker.segment, waker.id).unwrap(), 3);
        wake::tell(&waker.segment, waker.id.slot(), 2).unwrap();
        assert_eq!(notices.recv().unwrap(), [Notice::News]);
        waker.stop();
        assert!(notices.recv().is_err(), "nothing was told twice");
    }

    #[test]
    fn all_members_look_everywhere_after_a_repair() {
        let waker = waker();
        let notices = listen(&waker);
        wake::rouse_all(&waker.segment, wake::REPAIRED).unwrap();
        assert_eq!(notices.recv().unwrap(), [Notice::News]);
        assert_eq!(wake::take_news(&waker.segment, waker.id).unwrap(), u64::MAX);
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
