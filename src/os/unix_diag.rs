//! Whose the Unix sockets of this machine are, in the word of the kernel (`sock_diag(7)`): for sockets
//! that one cannot connect to, and so not ask.

use crate::error::{Error, Result};
use crate::os::poll::{self, Interest};
use rustix::fd::AsFd as _;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// `linux/netlink.h`, `linux/sock_diag.h`, `linux/unix_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const AF_UNIX: u8 = 1;
/// States of the kernel's TCP: 7 is closed, 10 listening. Sockets that one has connected to have the
/// listener's name too, and are in another.
const BOUND_OR_LISTENING: u32 = 1 << 7 | 1 << 10;
const SHOW_NAME_AND_UID: u32 = 0x41;
const ATTRIBUTE_NAME: u16 = 0;
const ATTRIBUTE_UID: u16 = 7;
/// Bytes of the head of a message, and of what stands before its attributes.
const HEAD: usize = 16;
const BODY: usize = 16;
/// Where the type of a socket stands in what follows the head.
const TYPE_AT: usize = 1;
const SEQPACKET: u8 = 5;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The users that bound sockets of the type `SOCK_SEQPACKET` belong to, by abstract name without its
/// leading zero byte. Empty where the kernel does not say (before Linux 5.3, or in some sandboxes).
#[must_use]
pub fn owners() -> HashMap<Vec<u8>, u32> {
    dump().unwrap_or_default()
}

fn dump() -> Result<HashMap<Vec<u8>, u32>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))
        .map_err(Error::system("socket(NETLINK_SOCK_DIAG)"))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &request(), SendFlags::empty(), &kernel).map_err(Error::system("sendto"))?;
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut owners = HashMap::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if poll::wait(&[(socket.as_fd(), Interest::Read)], Some(left))?.is_empty() {
            return Ok(HashMap::new());
        }
        let (length, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())
            .map_err(Error::system("recv"))?;
        if take_in(buffer.get(..length).unwrap_or_default(), &mut owners) {
            return Ok(owners);
        }
    }
}

fn request() -> Vec<u8> {
    const LENGTH: u32 = 40;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    // Number of the request; its sender.
    bytes.extend([0; 8]);
    bytes.extend([AF_UNIX, 0, 0, 0]);
    bytes.extend(BOUND_OR_LISTENING.to_ne_bytes());
    // No inode, and no cookie.
    bytes.extend([0; 4]);
    bytes.extend(SHOW_NAME_AND_UID.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

/// Takes in a datagram of messages; whether it was the last one.
fn take_in(mut messages: &[u8], owners: &mut HashMap<Vec<u8>, u32>) -> bool {
    while let Some((length, kind)) = head(messages) {
        if kind == DONE || kind == ERROR {
            return true;
        }
        // Sockets of another type may have the same name.
        if messages.get(HEAD + TYPE_AT) == Some(&SEQPACKET) {
            let attributes = messages.get(HEAD + BODY..length).unwrap_or_default();
            owners.extend(owner_in(attributes));
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

fn head(message: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(*message.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
    (HEAD <= length && length <= message.len()).then_some((length, kind))
}

/// Name and user of one socket, if it has an abstract name.
fn owner_in(mut attributes: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (mut name, mut uid) = (None, None);
    while let Some(length) = attributes.first_chunk().map(|it| u16::from_ne_bytes(*it) as usize) {
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let value = attributes.get(4..length)?;
        match kind {
            ATTRIBUTE_NAME => name = value.strip_prefix(b"\0"),
            ATTRIBUTE_UID => uid = value.first_chunk().map(|it| u32::from_ne_bytes(*it)),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some((name?.to_vec(), uid?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::socket::Listener;

    #[test]
    fn the_owner_of_a_listener_is_known_or_nothing_is() {
        let name = format!("csm-test.owner.{}", std::process::id());
        let _listener = Listener::bind(&name).unwrap();
        let owners = owners();
        let me = rustix::process::geteuid().as_raw();
        assert!(owners.is_empty() || owners.get(name.as_bytes()) == Some(&me), "{owners:?}");
    }

    #[test]
    fn a_socket_of_another_type_does_not_count() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
        let name = format!("csm-test.types.{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let _datagrams = UnixDatagram::bind_addr(&address).unwrap();
        let _stream = UnixListener::bind_addr(&address).unwrap();
        assert_eq!(owners().get(name.as_bytes()), None);
    }

    #[test]
    fn what_is_cut_off_or_no_message_is_passed_over() {
        let mut whole = Vec::new();
        whole.extend(48_u32.to_ne_bytes());
        whole.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        whole.extend([0; 10]);
        whole.extend([AF_UNIX, SEQPACKET]);
        whole.extend([0; BODY - 2]);
        whole.extend([6, 0, 0, 0, 0, b'n', 0, 0]);
        whole.extend([8, 0, 7, 0, 1, 0, 0, 0]);
        let mut owners = HashMap::new();
        assert!(!take_in(&whole, &mut owners));
        assert_eq!(owners, HashMap::from([(b"n".to_vec(), 1)]));
        for length in 0..whole.len() {
            let mut owners = HashMap::new();
            assert!(!take_in(&whole[..length], &mut owners) && owners.is_empty(), "{length}");
        }
        assert!(!take_in(&[0; 64], &mut owners), "a length of nothing");
    }
}
