//! Messages between processes of one machine, with proof of who is at the other end.
//!
//! Abstract Unix sockets: their names need no file, and are free again as soon as the process that
//! had them has ended. Of the kind `SOCK_SEQPACKET`: the kernel keeps the bounds of messages, so
//! that one arrives as it was sent or not at all; nobody collects pieces of it, nor waits for the
//! rest of one from a process that was stopped in the middle (unix(7)).
//!
//! The socket never blocks; who wants to wait says until when.
#![allow(
    unsafe_code,
    reason = "SO_PEERCRED of a process outside our pid namespace gives pid 0, which rustix's `Pid` \
              may not hold"
)]

use crate::error::{Error, Result};
use crate::os::poll::{self, Interest};
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg, shutdown, socket_with,
};
use std::time::{Duration, Instant};

/// Bytes that a message may have.
pub const MAX_MESSAGE: usize = 4096;

/// Descriptors that a message may carry.
pub const MAX_FILES: usize = 2;

/// Connections that may wait to be accepted: an application's workers all start at once.
const BACKLOG: i32 = 1024;

/// Who is at the other end, in the word of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id as seen from here; 0 if it cannot be seen from here at all.
    pub pid: u32,
    /// Its effective user when it connected, or began to listen.
    pub uid: u32,
}

/// What came from the other end.
#[derive(Debug)]
pub enum Received {
    /// A whole message, and the descriptors that came with it: [`MAX_FILES`] at most.
    Message(Vec<u8>, Vec<OwnedFd>),
    /// A message of more than [`MAX_MESSAGE`] bytes; it is lost.
    TooLong,
    /// Nothing yet.
    Nothing,
    /// Nothing any more: the other end is closed.
    Closed,
}

/// A name at which processes can connect. It is taken for as long as any process has a descriptor of
/// the same socket.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Takes a name.
    ///
    /// # Errors
    /// [`Error::System`], with `ADDRINUSE` if somebody else has the name.
    pub fn bind(name: &str) -> Result<Self> {
        let socket = socket()?;
        bind(&socket, &address(name)?).map_err(Error::system("bind"))?;
        listen(&socket, BACKLOG).map_err(Error::system("listen"))?;
        Ok(Self(socket))
    }

    /// The next one who has connected; `None` if nobody has.
    ///
    /// # Errors
    /// [`Error::System`], as when this process has no descriptors left.
    pub fn accept(&self) -> Result<Option<Connection>> {
        match accept_with(&self.0, flags()) {
            Ok(socket) => Ok(Some(Connection(socket))),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(errno) => Err(Error::system("accept")(errno)),
        }
    }
}

impl From<OwnedFd> for Listener {
    /// The listener that somebody handed over.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection(OwnedFd);

impl Connection {
    /// How long to wait before asking again a listener whose queue is full.
    const FULL_PAUSE: Duration = Duration::from_millis(1);

    /// Connects to who listens at `name`; `None` if nobody does.
    ///
    /// # Errors
    /// [`Error::System`], with `AGAIN` if who listens there has no room by `deadline`.
    pub fn open(name: &str, deadline: Instant) -> Result<Option<Self>> {
        let (socket, address) = (socket()?, address(name)?);
        loop {
            match connect(&socket, &address) {
                Ok(()) => return Ok(Some(Self(socket))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if Instant::now() < deadline => {
                    std::thread::sleep(Self::FULL_PAUSE);
                }
                Err(Errno::CONNREFUSED) => return Ok(None),
                Err(errno) => return Err(Error::system("connect")(errno)),
            }
        }
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn peer(&self) -> Result<Credentials> {
        peer_credentials(self.as_fd())
    }

    /// Nothing more comes or goes, for anybody who uses this end: whoever waits for a message finds
    /// [`Received::Closed`].
    pub fn close(&self) {
        // What fails is closed already.
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Sends a message, and up to [`MAX_FILES`] descriptors with it. What finds no room is not sent.
    ///
    /// # Errors
    /// [`Error::System`], with `AGAIN` if there is no room, `PIPE` if the other end is closed,
    /// `TOOBIG` if there are more descriptors.
    pub fn send(&self, message: &[u8], files: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if files.len() > MAX_FILES {
            return Err(Error::system("sendmsg")(Errno::TOOBIG));
        }
        if !files.is_empty() {
            // There is room: the space is made for so many.
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            match sendmsg(&self.0, &[IoSlice::new(message)], &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::system("sendmsg")(errno)),
            }
        }
    }

    /// What has come, without waiting.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn try_receive(&self) -> Result<Received> {
        let mut message = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut message)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut receive = || recvmsg(&self.0, into, &mut control, flags);
        // Who closes without having read everything causes one such error; what it had sent before
        // is still there.
        let came = match receive().or_else(|errno| match errno {
            Errno::CONNRESET => receive(),
            _ => Err(errno),
        }) {
            Ok(came) => came,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
            Err(Errno::CONNRESET) => return Ok(Received::Closed),
            Err(errno) => return Err(Error::system("recvmsg")(errno)),
        };
        let mut files = Vec::new();
        for with in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = with {
                files.extend(more);
            }
        }
        if came.flags.contains(ReturnFlags::TRUNC) {
            return Ok(Received::TooLong);
        }
        if came.bytes == 0 {
            // The end; nobody here sends an empty message.
            return Ok(Received::Closed);
        }
        message.truncate(came.bytes);
        Ok(Received::Message(message, files))
    }

    /// What comes by `deadline`, or ever; [`Received::Nothing`] if nothing did.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn receive(&self, deadline: Option<Instant>) -> Result<Received> {
        loop {
            let received = self.try_receive()?;
            if !matches!(received, Received::Nothing) {
                return Ok(received);
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Received::Nothing);
            }
            poll::wait(&[(self.as_fd(), Interest::Read)], left)?;
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn socket() -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None)
        .map_err(Error::system("socket"))
}

fn flags() -> SocketFlags {
    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
}

fn address(name: &str) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(Error::system("sockaddr_un"))
}

fn peer_credentials(socket: BorrowedFd<'_>) -> Result<Credentials> {
    /// socket(7); the numbers are those of asm/socket.h.
    const SOL_SOCKET: c_int = 1;
    const SO_PEERCRED: c_int = if cfg!(target_arch = "powerpc64") { 21 } else { 17 };
    // SAFETY: the declaration is that of getsockopt(2) in the C library, which std links.
    unsafe extern "C" {
        fn getsockopt(
            fd: c_int,
            level: c_int,
            name: c_int,
            to: *mut c_void,
            len: *mut u32,
        ) -> c_int;
    }
    let mut ucred = [0_u32; 3];
    let mut length = 12;
    // SAFETY: the kernel writes at most `length` bytes into `ucred`, which has that many, and any
    // bytes make three numbers (struct ucred: pid, uid, gid).
    let result = unsafe {
        let to = (&raw mut ucred).cast();
        getsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_PEERCRED, to, &raw mut length)
    };
    let [pid, uid, _] = ucred;
    if result == 0 && length == 12 {
        return Ok(Credentials { pid, uid });
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(Error::System { call: "getsockopt(SO_PEERCRED)", errno: errno.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (Connection, Connection) {
        let name = format!("csm-test.{name}.{}", std::process::id());
        let listener = Listener::bind(&name).unwrap();
        let near = Connection::open(&name, Instant::now()).unwrap().unwrap();
        (near, listener.accept().unwrap().unwrap())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_message_arrives_whole_and_by_itself() {
        let (near, far) = pair("whole");
        near.send(b"one", &[]).unwrap();
        near.send(b"two", &[]).unwrap();
        for expected in [b"one", b"two"] {
            let Received::Message(text, files) = far.receive(Some(soon())).unwrap() else {
                panic!("no message");
            };
            assert_eq!(text, expected);
            assert!(files.is_empty());
        }
        assert!(matches!(far.try_receive().unwrap(), Received::Nothing));
    }

    #[test]
    fn descriptors_come_along_and_are_closed_on_exec() {
        let (near, far) = pair("rights");
        let file = crate::os::fd::create_sealed("socket-test", 4096).unwrap();
        near.send(b"here", &[file.as_fd(), near.as_fd()]).unwrap();
        let Received::Message(_, got) = far.receive(Some(soon())).unwrap() else {
            panic!("no message");
        };
        assert_eq!(got.len(), 2);
        assert_eq!(crate::os::fd::sealed_length(got[0].as_fd()).unwrap(), 4096);
        for file in got {
            let flags = rustix::io::fcntl_getfd(&file).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        let three = [file.as_fd(), file.as_fd(), file.as_fd()];
        near.send(b"here", &three).unwrap_err();
    }

    #[test]
    fn the_kernel_names_both_ends() {
        let (near, far) = pair("peer");
        let me = Credentials { pid: std::process::id(), uid: rustix::process::geteuid().as_raw() };
        assert_eq!(near.peer().unwrap(), me);
        assert_eq!(far.peer().unwrap(), me);
    }

    #[test]
    fn the_end_is_told_from_silence() {
        let (near, far) = pair("end");
        let brief = Instant::now() + Duration::from_millis(10);
        assert!(matches!(far.receive(Some(brief)).unwrap(), Received::Nothing));
        drop(near);
        assert!(matches!(far.receive(None).unwrap(), Received::Closed));
    }

    #[test]
    fn the_last_word_of_who_did_not_listen_is_heard() {
        let (near, far) = pair("last");
        near.send(b"unread", &[]).unwrap();
        far.send(b"farewell", &[]).unwrap();
        drop(far);
        assert!(matches!(
            near.try_receive().unwrap(),
            Received::Message(text, _) if text == b"farewell"
        ));
        assert!(matches!(near.try_receive().unwrap(), Received::Closed));
    }

    #[test]
    fn a_message_that_is_too_long_is_noticed_and_the_next_one_read() {
        let (near, far) = pair("long");
        near.send(&vec![b'x'; MAX_MESSAGE + 1], &[]).unwrap();
        near.send(b"short", &[]).unwrap();
        assert!(matches!(far.try_receive().unwrap(), Received::TooLong));
        assert!(matches!(
            far.try_receive().unwrap(),
            Received::Message(text, _) if text == b"short"
        ));
    }

    #[test]
    fn a_name_is_taken_once_and_free_afterwards() {
        let name = format!("csm-test.taken.{}", std::process::id());
        let first = Listener::bind(&name).unwrap();
        let second = Listener::bind(&name).unwrap_err();
        let in_use = Errno::ADDRINUSE.raw_os_error();
        assert!(matches!(second, Error::System { errno, .. } if errno == in_use));
        drop(first);
        assert!(Connection::open(&name, Instant::now()).unwrap().is_none(), "nobody listens");
        Listener::bind(&name).unwrap();
    }
}
