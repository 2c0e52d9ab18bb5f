//! With whom this process shares: what its environments have chosen, all together.

use crate::error::{Error, Result};
use crate::hub::{GroupName, Hub};
use crate::member::Beginnings;
use crate::store::Settings;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// With whom to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// A cluster's primary and its workers; a process alone.
    Tree,
    /// All that give the same name.
    Group(GroupName),
}

/// What this process has chosen so far.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    scope: Option<Scope>,
    /// What a segment is made with, if this process makes it.
    pub(super) beginnings: Beginnings,
    /// Whether somebody has asked for a size.
    pub(super) is_sized: bool,
    /// Whether it counts already: an environment has attached.
    is_used: bool,
}

static CHOICE: Mutex<Choice> = Mutex::new(Choice {
    scope: None,
    beginnings: Beginnings { settings: Settings::DEFAULT, snapshot: None },
    is_sized: false,
    is_used: false,
});

impl Scope {
    /// The group of this name; where there is none, the tree.
    pub(super) fn of(name: Option<&str>) -> Result<Self> {
        name.map_or(Ok(Self::Tree), |name| GroupName::of(name).map(Self::Group))
    }
}

/// The scope that somebody has chosen, or else this one.
pub(super) fn current(default: &Scope) -> Scope {
    choice().scope.clone().unwrap_or_else(|| default.clone())
}

/// Chooses the scope of the process, and tells the workers of its hub.
pub(super) fn choose(scope: Scope, default: &Scope, hub: Option<&Hub>) -> Result<()> {
    let mut choice = choice();
    let is_new = choice.scope.as_ref().unwrap_or(default) != &scope;
    if is_new && choice.is_used {
        return Err(Error::AlreadyOpen);
    }
    refer(&scope, hub)?;
    choice.scope = Some(scope);
    Ok(())
}

/// Has the workers of this process share with those that it shares with.
pub(super) fn refer(scope: &Scope, hub: Option<&Hub>) -> Result<()> {
    match (scope, hub) {
        (Scope::Group(name), Some(hub)) => hub.refer(Some(&name.to_string())),
        (Scope::Tree, Some(hub)) => hub.refer(None),
        (_, None) => Ok(()),
    }
}

/// Chooses what a segment is made with.
pub(super) fn configure(change: impl FnOnce(&mut Settings), is_size: bool) -> Result<()> {
    let mut choice = choice();
    let mut chosen = choice.beginnings.settings;
    change(&mut chosen);
    chosen.layout()?;
    if choice.is_used {
        return Err(Error::AlreadyOpen);
    }
    choice.beginnings.settings = chosen;
    choice.is_sized |= is_size;
    Ok(())
}

/// Chooses the file that a group begins with, and leaves behind.
pub(super) fn choose_snapshot(path: PathBuf) -> Result<()> {
    let mut choice = choice();
    if choice.is_used && choice.beginnings.snapshot.as_ref() != Some(&path) {
        return Err(Error::AlreadyOpen);
    }
    choice.beginnings.snapshot = Some(path);
    Ok(())
}

/// The maximum as long as nobody configures another.
pub(super) fn suggest(maximum: u64) {
    let mut choice = choice();
    if !choice.is_sized && !choice.is_used {
        choice.beginnings.settings.maximum = maximum;
    }
}

/// What counts from now on.
pub(super) fn take(default: &Scope) -> (Scope, Choice) {
    let mut choice = choice();
    choice.is_used = true;
    let scope = choice.scope.get_or_insert_with(|| default.clone()).clone();
    (scope, choice.clone())
}

/// Nothing here leaves it half changed.
fn choice() -> MutexGuard<'static, Choice> {
    CHOICE.lock().unwrap_or_else(PoisonError::into_inner)
}
