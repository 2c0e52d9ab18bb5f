//! A process that replaces its program (execve) lives on with its pid, start time and pidfd, but all
//! that its old program was in the segment is gone.

use super::mender::is_of;
use crate::error::Result;
use crate::os::fd;
use crate::os::process::ProcessId;
use crate::segment::Segment;
use crate::segment::members::{self, MemberInfo};

/// Says goodbye for the members of a process that has replaced its program. Gives whether there were
/// any. Only to be asked of one whose connection has ended.
///
/// The kernel ends all other threads of a process and takes its memory away before it closes its
/// connection. So who lives on without having mapped the segment has no member left; who has only
/// lost its connection still has it mapped. Members that join meanwhile are not meant: those that
/// are were there before the look. And no program that came after is let in before, for its hello
/// comes to the hub's thread later than the end of the old connection.
pub(super) fn take_leave_of(segment: &Segment, process: ProcessId) -> Result<bool> {
    let (region, layout) = (segment.region(), segment.layout());
    let mut members = members::all(region, layout)?;
    members.retain(|info| is_of(info, process) && !info.has_left);
    let file = fd::identity(segment.file())?;
    // Where not even this process is seen to have mapped it, nothing is to be learnt from that.
    let is_replaced = !members.is_empty()
        && process.maps(file) == Some(false)
        && ProcessId::current().maps(file) == Some(true);
    if is_replaced {
        for info in &members {
            members::abandon(region, layout, info.id)?;
        }
    }
    Ok(is_replaced)
}

/// Whether a former host will never host again.
pub(super) fn is_gone(segment: &Segment, host: &MemberInfo) -> bool {
    // What cannot be found out is no reason to take anything from anybody.
    host.is_dead() || take_leave_of(segment, host.process).unwrap_or(false)
}
