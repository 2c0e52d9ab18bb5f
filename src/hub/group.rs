//! Processes that share by a name, whoever has started them: the name, and how they find each other.
//!
//! They meet at an abstract Unix socket ([`seek`]). Whoever binds it first makes the segment; the
//! *listening socket itself* is handed to everybody who is admitted, together with the segment's
//! descriptor. So the name is taken for as long as one member lives: who comes meanwhile waits in the
//! socket's queue, whichever member accepts from it, and nobody can take a segment that still has
//! members for gone. When the last one is gone the kernel has closed both.
//!
//! Anybody may bind any abstract name. So there are 64 addresses, and the kernel's word for whose
//! socket it is. One that is another user's is passed over. Two processes of the same user might then
//! settle at different places, when the stranger comes or goes between their looks. Therefore whoever
//! has begun to listen looks at all other places, and gives up its own if it sees one of ours there:
//! of two that listen, at least the one that looked later sees the other.

use crate::error::{Error, Result};
use crate::os::socket::{Connection, Credentials, Listener};
use crate::os::{process, unix_diag};
use core::fmt;
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest name, in bytes: the rest of an address has room beside it.
pub const MAX_NAME: usize = 48;
/// At how many addresses a group may meet.
const PLACES: u32 = 64;
/// How often an address is found taken that nobody listens at, before it is left to whoever has it where
/// the kernel does not say who: one of ours may not have begun to listen yet.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(1);

/// The name of a group: of one user, among processes that see each other's pids.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupName {
    uid: u32,
    pid_namespace: u64,
    name: String,
}

/// Where a group meets.
#[derive(Debug, Clone)]
pub struct Door {
    /// The address.
    pub address: String,
    /// What all members have a descriptor of.
    pub listener: Arc<Listener>,
}

/// What [`seek`] finds.
#[derive(Debug)]
pub enum Sought {
    /// There is a group: a connection that waits to be accepted, and the address.
    There(Connection, String),
    /// There was none; this process has begun it.
    Begun(Door),
    /// That could not be found out in time.
    Unknown,
}

/// What is to be seen of an address.
enum Look {
    Ours(Connection),
    /// A socket of another user's; its process is 0 if only that is known.
    Stranger(Credentials),
    Nobody,
    /// Somebody listens, but takes no more connections for the moment.
    Full,
}

impl GroupName {
    /// The group of this name, of the user that this process runs under now.
    ///
    /// # Errors
    /// [`Error::BadName`], unless it has 1 to [`MAX_NAME`] of `A-Z a-z 0-9 . _ : @ -`.
    pub fn of(name: &str) -> Result<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            return Err(Error::BadName(name.to_owned()));
        }
        let pid_namespace = process::pid_namespace().unwrap_or(0);
        Ok(Self { uid: geteuid().as_raw(), pid_namespace, name: name.to_owned() })
    }

    /// The user whose processes may join.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// Without the layout version: who joins with another is to be told so.
    fn address(&self, place: u32) -> String {
        let Self { uid, pid_namespace, name } = self;
        format!("cluster-shared-memory.group.{uid}.{pid_namespace:x}.{name}.{place}")
    }

    fn look(&self, address: &str) -> Result<Look> {
        match Connection::open(address, Instant::now()) {
            Ok(None) => Ok(Look::Nobody),
            Err(error) if error.is_errno(Errno::AGAIN) => Ok(Look::Full),
            Ok(Some(connection)) => {
                let peer = connection.peer()?;
                let is_ours = peer.uid == self.uid;
                Ok(if is_ours { Look::Ours(connection) } else { Look::Stranger(peer) })
            }
            Err(error) => Err(error),
        }
    }

    /// As `look`; of who does not let one connect, the kernel is asked.
    fn look_closely(&self, address: &str, owners: &HashMap<Vec<u8>, u32>) -> Result<Look> {
        let look = self.look(address)?;
        let stranger = owners.get(address.as_bytes()).filter(|owner| **owner != self.uid);
        Ok(match (look, stranger) {
            (Look::Full | Look::Nobody, Some(uid)) => {
                Look::Stranger(Credentials { pid: 0, uid: *uid })
            }
            (look, _) => look,
        })
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Finds the group of this name, or begins it: exactly one process does. `tries` counts over all calls
/// how often that was tried.
///
/// # Errors
/// [`Error::Refused`] if processes of other users have all its addresses, or if this process has
/// changed its user since; [`Error::System`].
pub fn seek(group: &GroupName, tries: &AtomicU32, deadline: Instant) -> Result<Sought> {
    loop {
        // Relaxed: a count.
        let tries = tries.fetch_add(1, Ordering::Relaxed);
        // Most find their group, or nobody, at once.
        let owners = if tries == 0 { HashMap::new() } else { unix_diag::owners() };
        let mut strangers = Vec::new();
        let mut free = Vec::new();
        let mut is_full = false;
        for place in 0..PLACES {
            let address = group.address(place);
            match group.look_closely(&address, &owners)? {
                Look::Ours(connection) => return Ok(Sought::There(connection, address)),
                Look::Stranger(peer) => strangers.push(peer),
                Look::Nobody => free.push(address),
                Look::Full => is_full = true,
            }
        }
        if free.is_empty() && !is_full {
            return Err(taken_by(group, &strangers));
        }
        // Ours may be the one that takes no more connections for the moment.
        if !is_full && let Some(door) = begin(group, free, tries >= TRIES)? {
            return Ok(Sought::Begun(door));
        }
        if Instant::now() >= deadline {
            return Ok(Sought::Unknown);
        }
        std::thread::sleep(PAUSE + jitter()?);
    }
}

/// Listens at the first address that it can have, if it is alone with that.
fn begin(group: &GroupName, free: Vec<String>, is_any: bool) -> Result<Option<Door>> {
    // The kernel tells others whose socket it is by the user that this process has now.
    if geteuid().as_raw() != group.uid {
        let reason = format!("\"{group}\" is of user {}, which this process is no more", group.uid);
        return Err(Error::Refused(reason));
    }
    let places = if is_any { free.len() } else { 1 };
    for address in free.into_iter().take(places) {
        match Listener::bind(&address) {
            Ok(listener) => {
                let is_alone = is_alone(group, &address)?;
                return Ok(is_alone.then(|| Door { address, listener: Arc::new(listener) }));
            }
            Err(error) if error.is_errno(Errno::ADDRINUSE) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_alone(group: &GroupName, mine: &str) -> Result<bool> {
    // Asked after this process has begun to listen: whoever of ours comes later sees it.
    let owners = LazyCell::new(unix_diag::owners);
    for address in (0..PLACES).map(|place| group.address(place)).filter(|it| it != mine) {
        let may_be_ours = match group.look(&address)? {
            Look::Ours(_) => true,
            Look::Full => owners.get(address.as_bytes()).is_none_or(|uid| *uid == group.uid),
            Look::Nobody | Look::Stranger(_) => false,
        };
        if may_be_ours {
            return Ok(false);
        }
    }
    Ok(true)
}

fn taken_by(group: &GroupName, strangers: &[Credentials]) -> Error {
    let some = |numbers: BTreeSet<u32>| {
        let texts: Vec<_> = numbers.into_iter().take(4).map(|number| number.to_string()).collect();
        texts.join(", ")
    };
    let users = some(strangers.iter().map(|peer| peer.uid).collect());
    let pids = some(strangers.iter().map(|peer| peer.pid).filter(|pid| *pid != 0).collect());
    Error::Refused(format!(
        "other users have all addresses of the name \"{group}\" of user {}: users {users}, processes {}",
        group.uid,
        if pids.is_empty() { "unknown" } else { &pids }
    ))
}

/// Two who were in each other's way do not come back at the same time.
fn jitter() -> Result<Duration> {
    let mut byte = [0];
    getrandom(&mut byte, GetRandomFlags::empty()).map_err(Error::system("getrandom"))?;
    let [byte] = byte;
    Ok(Duration::from_micros(16 * u64::from(byte)))
}
