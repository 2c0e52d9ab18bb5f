//! With whom this process shares: what its environments have chosen, all together.

use crate::error::{Error, Result};
use crate::hub::{GroupName, Hub, Referral};
use crate::member::{self, Beginnings};
use crate::store::Settings;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// With whom to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// A cluster's primary and its workers; a process alone.
    Tree,
    /// All that give this name.
    Group(String),
}

/// What an environment attaches by.
#[derive(Debug)]
pub(super) struct Taken {
    /// `None`: the tree.
    pub(super) group: Option<GroupName>,
    /// What a segment is made with, if this process makes it.
    pub(super) beginnings: Beginnings,
    /// Whether somebody has asked for a size.
    pub(super) is_sized: bool,
    holds: bool,
}

#[derive(Debug)]
struct Choice {
    scope: Option<Scope>,
    beginnings: Beginnings,
    is_sized: bool,
    /// Environments that attach or are attached: what they have taken counts for all.
    users: usize,
    /// The group as the first of them found it: of the user that the process had then.
    group: Option<GroupName>,
    /// Environments that were told to ask again.
    waiting: usize,
}

static CHOICE: Mutex<Choice> = Mutex::new(Choice {
    scope: None,
    beginnings: Beginnings { settings: Settings::DEFAULT, snapshot: None },
    is_sized: false,
    users: 0,
    group: None,
    waiting: 0,
});

impl Scope {
    /// The group of this name; where there is none, the tree.
    pub(super) fn of(name: Option<&str>) -> Result<Self> {
        name.map_or(Ok(Self::Tree), |name| {
            GroupName::of(name).map(|name| Self::Group(name.to_string()))
        })
    }
}

impl Choice {
    /// Has the workers of this process share with those that it shares with.
    fn refer(&self, default: &Scope, hub: Option<&Hub>) -> Result<()> {
        let Some(hub) = hub else {
            return Ok(());
        };
        let Scope::Group(name) = self.scope.as_ref().unwrap_or(default) else {
            return hub.refer(None);
        };
        let name = self.group.clone().map_or_else(|| GroupName::of(name), Ok)?;
        let Beginnings { settings: Settings { maximum, log, mode }, snapshot } =
            self.beginnings.clone();
        let (uid, name) = (name.uid(), name.to_string());
        hub.refer(Some(Referral { name, uid, maximum, log, mode, snapshot }))
    }
}

/// Changes it as a whole or not at all, if nobody has taken it.
fn change(
    mut choice: MutexGuard<'_, Choice>,
    default: &Scope,
    hub: Option<&Hub>,
    change: impl FnOnce(&mut Choice) -> Result<()>,
) -> Result<()> {
    let mut changed = Choice {
        scope: choice.scope.clone(),
        beginnings: choice.beginnings.clone(),
        group: choice.group.clone(),
        ..*choice
    };
    change(&mut changed)?;
    changed.refer(default, hub)?;
    let is_other = changed.scope.as_ref().unwrap_or(default)
        != choice.scope.as_ref().unwrap_or(default)
        || changed.beginnings != choice.beginnings;
    let is_free = changed.users == 0;
    *choice = changed;
    // There may be a file to be written: nobody else shall wait for that.
    drop(choice);
    if is_free && is_other {
        // What is being waited for, or made, was as it was chosen before.
        member::let_go_quietly();
    }
    Ok(())
}

/// The scope that somebody has chosen, or else this one.
pub(super) fn current(default: &Scope) -> Scope {
    choice().scope.clone().unwrap_or_else(|| default.clone())
}

/// Tells the workers of a hub that has just been started with whom this process shares.
pub(super) fn announce(default: &Scope, hub: Option<&Hub>) {
    // It fails if some share with this process already: then they do.
    let _ = choice().refer(default, hub);
}

/// Chooses the scope of the process.
pub(super) fn choose(scope: Scope, default: &Scope, hub: Option<&Hub>) -> Result<()> {
    let choice = choice();
    if choice.scope.as_ref().unwrap_or(default) != &scope && choice.users > 0 {
        return Err(Error::AlreadyOpen);
    }
    change(choice, default, hub, |choice| {
        if let (Scope::Tree, Some(hub), true) = (&scope, hub, choice.is_sized) {
            hub.configure(|settings| *settings = choice.beginnings.settings)?;
        }
        choice.scope = Some(scope);
        Ok(())
    })
}

/// Chooses what a segment is made with. That of a tree is the primary's.
pub(super) fn configure(
    choose: impl Fn(&mut Settings),
    is_size: bool,
    default: &Scope,
    hub: Option<&Hub>,
) -> Result<()> {
    let choice = choice();
    let is_tree = choice.scope.as_ref().unwrap_or(default) == &Scope::Tree;
    if is_tree {
        hub.ok_or(Error::AlreadyOpen)?.configure(&choose)?;
    }
    let is_used = choice.users > 0;
    change(choice, default, hub, |choice| {
        choose(&mut choice.beginnings.settings);
        choice.beginnings.settings.layout()?;
        choice.is_sized |= is_size;
        if is_used { Err(Error::AlreadyOpen) } else { Ok(()) }
    })
}

/// Chooses the file that a group begins with, and leaves behind.
pub(super) fn choose_snapshot(path: PathBuf, default: &Scope, hub: Option<&Hub>) -> Result<()> {
    let choice = choice();
    if choice.beginnings.snapshot.as_ref() == Some(&path) {
        return Ok(());
    }
    let is_used = choice.users > 0;
    change(choice, default, hub, |choice| {
        choice.beginnings.snapshot = Some(path);
        if is_used { Err(Error::AlreadyOpen) } else { Ok(()) }
    })
}

/// The maximum as long as nobody configures another.
pub(super) fn suggest(maximum: u64) {
    let mut choice = choice();
    if !choice.is_sized && choice.users == 0 {
        choice.beginnings.settings.maximum = maximum;
    }
}

/// What counts from now on, for as long as it is held. A worker that has only a default asks whether
/// its primary is there, which may have chosen something else for it.
pub(super) fn take(
    default: &Scope,
    hub: Option<&Hub>,
    has_primary: impl FnOnce() -> bool,
) -> Result<Taken> {
    let mut choice = choice();
    if choice.users == 0 {
        choice.group = match choice.scope.as_ref().unwrap_or(default) {
            Scope::Group(_) if choice.scope.is_none() && hub.is_none() && has_primary() => None,
            Scope::Group(name) => Some(GroupName::of(name)?),
            Scope::Tree => None,
        };
        // A worker that shares with its primary shares with whom that does.
        let _ = choice.refer(default, hub);
    }
    choice.users += 1;
    let Choice { group, beginnings, is_sized, .. } = &*choice;
    let (group, beginnings, is_sized) = (group.clone(), beginnings.clone(), *is_sized);
    Ok(Taken { group, beginnings, is_sized, holds: true })
}

/// Notes that one environment more waits for a hub, or one less; gives how many do.
pub(super) fn wait(waits: bool) -> usize {
    let mut choice = choice();
    choice.waiting = if waits { choice.waiting + 1 } else { choice.waiting - 1 };
    choice.waiting
}

impl Taken {
    /// It counts for as long as the process lives: this environment is attached.
    pub(super) const fn keep(&mut self) {
        self.holds = false;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.holds {
            choice().users -= 1;
        }
    }
}

/// Nothing here leaves it half changed.
fn choice() -> MutexGuard<'static, Choice> {
    CHOICE.lock().unwrap_or_else(PoisonError::into_inner)
}
