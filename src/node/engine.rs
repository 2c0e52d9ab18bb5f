//! The engine of one JavaScript environment: what all its calls share.

use super::buffers::Buffers;
use super::scope::{self, Scope, Taken};
use crate::error::{Error, Result};
use crate::hub::will::Will;
use crate::hub::{self, Hub, HubName};
use crate::member::{self, Beginnings, Member, Notice, Role};
use crate::snapshot;
use crate::store::{Place, Settings};

use napi::bindgen_prelude::{
    FnArgs, Function, FunctionRef, JsObjectValue, Object, Uint32Array, Unknown,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

type MakeError = FunctionRef<FnArgs<(String, String, Value)>, Unknown<'static>>;
/// Calls the host's `warn` from any thread; weak, so that it keeps no process alive. So does `news`.
type Warn = ThreadsafeFunction<String, (), String, Status, false, true>;

type Tell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Elements of the status; `lib/status.js` says what they are.
const STATUS_WORDS: usize = 8;

/// What `open` gives each environment. It lives until the environment's cleanup hook.
pub(super) struct Engine {
    state: RefCell<State>,
    /// Whether it has asked for a hub, and will ask again.
    waits: Cell<bool>,
    hub: Option<&'static Hub>,
    /// With whom the process shares unless it is configured otherwise.
    scope: Scope,
    thread: u64,
    /// Memory of the host's `status`, which `_status` keeps alive.
    status: Cell<*mut u32>,
    _status: Uint32Array,
    make_error: MakeError,
    warn: Arc<Warn>,
    news: Arc<Tell>,
    processors: usize,
}

struct State {
    member: Option<Member>,
    is_closed: bool,
    buffers: Buffers,
}

impl Engine {
    /// Makes the engine of an environment, and ends it with the environment.
    pub(super) fn open(env: &Env, host: &Object<'_>) -> napi::Result<&'static Self> {
        let role: String = host.get_named_property("role")?;
        let name: Option<String> = host.get_named_property("name")?;
        let thread: u32 = host.get_named_property("thread")?;
        let mut status: Uint32Array = host.get_named_property("status")?;
        if status.len() < STATUS_WORDS {
            return Err(napi::Error::from_reason("the status is too short"));
        }
        // SAFETY: the memory of a typed array that `_status` keeps alive does not move.
        let memory = unsafe { status.as_mut() }.as_mut_ptr();
        let make_error: Function<'_, FnArgs<(String, String, Value)>, Unknown<'static>> =
            host.get_named_property("makeError")?;
        let warn: Function<'_, String, ()> = host.get_named_property("warn")?;
        let news: Function<'_, (), ()> = host.get_named_property("news")?;
        let processors: u32 = host.get_named_property("processors")?;
        let hub = if role == "primary" { Some(start_hub()?) } else { None };
        let scope = Scope::of(name.as_deref()).map_err(|error| failed(&error))?;
        scope::announce(&scope, hub);
        if hub.is_none() {
            // While the parent lives; who cannot tell now is told when it attaches.
            let _ = HubName::expected();
        }
        let engine = Box::into_raw(Box::new(Self {
            state: RefCell::new(State {
                member: None,
                is_closed: false,
                buffers: Buffers::default(),
            }),
            waits: Cell::new(false),
            hub,
            scope,
            thread: u64::from(thread),
            status: Cell::new(memory),
            _status: status,
            make_error: make_error.create_ref()?,
            warn: Arc::new(warn.build_threadsafe_function().weak::<true>().build()?),
            news: Arc::new(news.build_threadsafe_function().weak::<true>().build()?),
            processors: processors as usize,
        }));
        env.add_env_cleanup_hook(engine as usize, |address| {
            // SAFETY: the box given up above, which nobody frees but this hook, once; no JavaScript
            // of the environment, and so no method of the engine, runs after it.
            let engine = unsafe { Box::from_raw(address as *mut Self) };
            engine.let_go();
        })?;
        // SAFETY: it lives until that hook, and only shared references to it are ever made.
        Ok(unsafe { &*engine })
    }

    /// Runs an operation, if this environment is attached.
    #[inline(always)]
    pub(super) fn with_member<T>(
        &self,
        operation: impl FnOnce(&mut Member, &mut Buffers) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.borrow_mut();
        let State { member, buffers, .. } = &mut *state;
        match member {
            Some(member) => operation(member, buffers),
            None => Err(Error::Closed),
        }
    }

    /// Chooses what the segment will be like.
    pub(super) fn configure(&self, choose: impl Fn(&mut Settings), is_size: bool) -> Result<()> {
        if self.state.borrow().is_closed {
            return Err(Error::Closed);
        }
        scope::configure(choose, is_size, &self.scope, self.hub)
    }

    /// The maximum as long as nobody configures another.
    pub(super) fn suggest(&self, maximum: u64) -> Result<()> {
        scope::suggest(maximum);
        self.hub.map_or(Ok(()), |hub| hub.suggest(maximum))
    }

    /// Chooses with whom the process shares.
    pub(super) fn choose_scope(&self, name: Option<&str>) -> Result<()> {
        if self.state.borrow().is_closed {
            return Err(Error::Closed);
        }
        scope::choose(Scope::of(name)?, &self.scope, self.hub)
    }

    /// Chooses the file that the memory begins with and is left in, if there is a name.
    pub(super) fn choose_snapshot(&self, path: PathBuf) -> Result<()> {
        if self.state.borrow().is_closed {
            return Err(Error::Closed);
        }
        scope::choose_snapshot(path, &self.scope, self.hub)
    }

    /// The name of those that this environment shares with, or will.
    pub(super) fn name(&self) -> Option<String> {
        // A worker may have been told by its primary.
        if let Some(member) = &self.state.borrow().member {
            return member.group().map(ToString::to_string);
        }
        match scope::current(&self.scope) {
            Scope::Group(name) => Some(name),
            Scope::Tree if self.hub.is_some() => None,
            Scope::Tree => HubName::expected().ok().and_then(|name| member::referred(&name)),
        }
    }

    /// Attaches this environment; `false` if no hub answers within `timeout`. Who is told to ask again
    /// keeps its place until it does, or [lets go](Self::let_go).
    pub(super) fn attach(&self, timeout: Duration) -> Result<bool> {
        self.wait(true);
        let attached = self.try_to_attach(timeout);
        if self.wait(matches!(attached, Ok(false) | Err(Error::Reading { .. }))) {
            member::let_go_quietly();
        }
        attached
    }

    fn try_to_attach(&self, timeout: Duration) -> Result<bool> {
        let mut state = self.state.borrow_mut();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if state.member.is_some() {
            return Ok(true);
        }
        let expected = HubName::expected();
        let has_primary = || expected.as_ref().is_ok_and(member::is_there);
        let mut taken = scope::take(&self.scope, self.hub, has_primary)?;
        let role = match (&taken.group, self.hub) {
            (Some(name), _) => Role::Group(name.clone(), taken.beginnings.clone()),
            (None, Some(hub)) => Role::Primary(hub),
            (None, None) => Role::Worker(expected?),
        };
        let Some(mut member) = Member::attach(&role, self.thread, timeout)? else {
            return Ok(false);
        };
        if member.group().is_some() {
            self.bring_along(&taken, &member);
        }
        member.use_processors(self.processors);
        let (warn, news) = (Arc::clone(&self.warn), Arc::clone(&self.news));
        member.listen(Box::new(move |notices| pass_on(&warn, &news, notices)))?;
        state.member = Some(member);
        taken.keep();
        Ok(true)
    }

    /// Who joins others takes their memory as it is, and hears if it wanted another; but where that is
    /// left in the end, it says, if nobody has.
    fn bring_along(&self, taken: &Taken, member: &Member) {
        let Beginnings { settings, snapshot } = &taken.beginnings;
        let has = member.store().segment().layout();
        if taken.is_sized
            && let Ok(wanted) = settings.layout()
            && (wanted.maximum, wanted.log) != (has.maximum, has.log)
        {
            self.tell(format!(
                "The shared memory has a maximum of {} bytes and logs of {}: the {} and {} that are \
                 configured here do not count, for others made it, or its snapshot needs more",
                has.maximum, has.log, wanted.maximum, wanted.log
            ));
        }
        if let Some(path) = snapshot {
            match leave_in(path, member) {
                Ok(None) => {}
                Ok(Some(problem)) => self.tell(problem),
                Err(error) => self.tell(format!("No snapshot is going to be written: {error}")),
            }
        }
    }

    fn tell(&self, message: String) {
        self.warn.call(message, ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Leaves the segment for good; gives what people should know.
    pub(super) fn close(&self) -> Result<Option<String>> {
        let member = {
            let mut state = self.state.borrow_mut();
            state.is_closed = true;
            state.member.take()
        };
        let let_go = if self.wait(false) { member::let_go() } else { Ok(None) };
        // It can have written only where there was no member.
        member.map_or(let_go, Member::leave)
    }

    /// Waits for no hub any more.
    pub(super) fn let_go(&self) {
        if self.wait(false) {
            member::let_go_quietly();
        }
    }

    /// Notes whether this environment waits for a hub; `true` if from now on nobody in this process does:
    /// what they have waited for, a place in a queue or a segment that is being made, is of no use.
    fn wait(&self, waits: bool) -> bool {
        self.waits.replace(waits) != waits && scope::wait(waits) == 0
    }

    /// Tells JavaScript the tag of what was read.
    #[inline]
    pub(super) fn set_status(&self, tag: u32) {
        // SAFETY: the memory of `_status`, which has eight elements (`open` has checked that) and is
        // never let go of; JavaScript reads it on this thread, after the call.
        unsafe { self.status.get().write(tag) };
    }

    /// Tells JavaScript the tag of what was read, and its version as [`super::values::version_of`].
    #[inline]
    pub(super) fn set_read(&self, tag: u32, version: f64) {
        self.set_status(tag);
        // SAFETY: as above; the fifth and sixth hold a double.
        unsafe { self.status.get().add(4).cast::<f64>().write_unaligned(version) };
    }

    /// Tells JavaScript where a scan goes on, or that it has ended.
    pub(super) fn set_place(&self, place: Option<Place>) {
        let Place { shard, position } = place.unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "shards are few")]
        self.set_news(shard as u32, u32::from(place.is_none()));
        // SAFETY: as above.
        #[expect(clippy::cast_possible_truncation, reason = "two halves")]
        unsafe {
            self.status.get().add(6).write(position as u32);
            self.status.get().add(7).write((position >> 32) as u32);
        }
    }

    /// Tells JavaScript that it has changed what it watches itself, and is to look.
    #[cold]
    pub(super) fn set_own_news(&self) {
        // SAFETY: as above.
        unsafe { self.status.get().add(3).write(1) };
    }

    /// Tells JavaScript what kind of news it got, and of which watch; or the halves of a place.
    #[inline]
    pub(super) fn set_news(&self, kind: u32, watch: u32) {
        // SAFETY: as above.
        unsafe {
            self.status.get().add(1).write(kind);
            self.status.get().add(2).write(watch);
        }
    }

    /// Throws the error that the host's `makeError` makes.
    pub(super) fn throw(&self, env: sys::napi_env, code: &str, message: &str, details: Value) {
        let env = Env::from_raw(env);
        let arguments = FnArgs::from((code.to_owned(), message.to_owned(), details));
        let thrown = self
            .make_error
            .borrow_back(&env)
            .and_then(|make_error| make_error.call(arguments))
            .and_then(|error| env.throw(error));
        if thrown.is_err() {
            let _ = env.throw_error(message, Some(code));
        }
    }
}

/// The file that the last member is to write, if nobody has named one; gives what people should know.
fn leave_in(path: &Path, member: &Member) -> Result<Option<String>> {
    let there =
        |what: &Path| format!("the snapshot of this shared memory goes to {}", what.display());
    match Will::read(member.store())? {
        Some(will) if will.path == path => Ok(None),
        Some(will) => Ok(Some(format!("Others have said so before: {}", there(&will.path)))),
        None => {
            Will { path: path.to_owned(), origin: None }.write(member.store())?;
            let kept = || {
                format!(
                    "{} was not read, for this shared memory was there before: it will be kept under \
                     another name",
                    path.display()
                )
            };
            // As things are now, nothing can be written.
            let stands = snapshot::stands(path);
            Ok(stands.map_or_else(|error| Some(error.to_string()), |stands| stands.then(kept)))
        }
    }
}

fn start_hub() -> napi::Result<&'static Hub> {
    // Until lib/ has configured something, which it does at once.
    hub::start(Settings::default()).map_err(|error| failed(&error))
}

fn failed(error: &Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}

/// Tells the program what it should know; that all is well again, it need not.
fn pass_on(warn: &Warn, news: &Tell, notices: &[Notice]) {
    if notices.contains(&Notice::News) {
        news.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
    let is_of_hub = |notice: &&Notice| matches!(notice, Notice::HubLost | Notice::HubFound);
    if notices.iter().rfind(is_of_hub) == Some(&Notice::HubLost) {
        let message =
            "The process that admits others is gone: what is shared stays, but no process can join";
        warn.call(message.to_owned(), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
