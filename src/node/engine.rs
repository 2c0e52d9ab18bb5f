//! The engine of one JavaScript environment: what all its calls share.

use super::{cold, hot};
use crate::error::{Error, Result};
use crate::hub::{self, Hub, HubName};
use crate::member::{Member, Role};
use crate::node::hot::Buffers;
use crate::store::{Settings, Store};
use crate::wake::Notice;
use napi::bindgen_prelude::{
    FnArgs, Function, FunctionRef, JsObjectValue, JsValue, Object, Uint32Array, Unknown,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

type MakeError = FunctionRef<FnArgs<(String, String, Value)>, Unknown<'static>>;
/// Calls the host's `warn` from any thread; weak, so that it keeps no process alive.
type Warn = ThreadsafeFunction<String, (), String, Status, false, true>;

/// Until lib/ has configured something, which it does at once.
const DEFAULT: Settings = Settings { maximum: 1 << 30, mode: 0 };

/// What `open` gives each environment. It lives until the environment's cleanup hook.
pub(super) struct Engine {
    state: RefCell<State>,
    hub: Option<&'static Hub>,
    thread: u64,
    /// Memory of the host's `status`, which `_status` keeps alive.
    status: Cell<*mut u32>,
    _status: Uint32Array,
    make_error: MakeError,
    warn: Arc<Warn>,
}

struct State {
    member: Option<Member>,
    is_closed: bool,
    buffers: Buffers,
}

/// The methods of the object that `open` returns.
const METHODS: [(&CStr, sys::napi_callback); 12] = [
    (c"get", Some(hot::get)),
    (c"has", Some(hot::has)),
    (c"set", Some(hot::set)),
    (c"remove", Some(hot::remove)),
    (c"incr", Some(hot::incr)),
    (c"configure", Some(cold::configure)),
    (c"suggest", Some(cold::suggest)),
    (c"attach", Some(cold::attach)),
    (c"mode", Some(cold::mode)),
    (c"stats", Some(cold::stats)),
    (c"close", Some(cold::close)),
    (c"nothing", Some(cold::nothing)),
];

impl Engine {
    /// Makes the engine of an environment, and ends it with the environment.
    pub(super) fn open(env: &Env, host: &Object<'_>) -> napi::Result<&'static Self> {
        let role: String = host.get_named_property("role")?;
        let thread: u32 = host.get_named_property("thread")?;
        let mut status: Uint32Array = host.get_named_property("status")?;
        // SAFETY: the memory of a typed array that `_status` keeps alive does not move.
        let memory = unsafe { status.as_mut() }.as_mut_ptr();
        let make_error: Function<'_, FnArgs<(String, String, Value)>, Unknown<'static>> =
            host.get_named_property("makeError")?;
        let warn: Function<'_, String, ()> = host.get_named_property("warn")?;
        let hub = if role == "primary" { Some(start_hub()?) } else { None };
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
            hub,
            thread: u64::from(thread),
            status: Cell::new(memory),
            _status: status,
            make_error: make_error.create_ref()?,
            warn: Arc::new(warn.build_threadsafe_function().weak::<true>().build()?),
        }));
        env.add_env_cleanup_hook(engine as usize, |address| {
            // SAFETY: the box given up above, which nobody frees but this hook, once; no JavaScript
            // of the environment, and so no method of the engine, runs after it.
            drop(unsafe { Box::from_raw(address as *mut Self) });
        })?;
        // SAFETY: it lives until that hook, and only shared references to it are ever made.
        Ok(unsafe { &*engine })
    }

    /// The object's methods as functions that carry the engine as their data.
    pub(super) fn object<'e>(&'static self, env: &'e Env) -> napi::Result<Object<'e>> {
        let object = Object::new(env)?;
        for (name, callback) in METHODS {
            let data = ptr::from_ref(self).cast_mut().cast::<c_void>();
            let length = name.count_bytes().cast_signed();
            let mut function = ptr::null_mut();
            // SAFETY: name and results are valid; the data lives as long as the environment.
            unsafe {
                let (env, name) = (env.raw(), name.as_ptr());
                napi::check_status!(sys::napi_create_function(
                    env,
                    name,
                    length,
                    callback,
                    data,
                    &raw mut function
                ))?;
                napi::check_status!(sys::napi_set_named_property(
                    env,
                    object.raw(),
                    name,
                    function
                ))?;
            }
        }
        Ok(object)
    }

    /// Runs an operation on the store, if this environment is attached.
    #[inline(always)]
    pub(super) fn with_store<T>(
        &self,
        operation: impl FnOnce(&Store, &mut Buffers) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.borrow_mut();
        let State { member, buffers, .. } = &mut *state;
        match member {
            Some(member) => operation(member.store(), buffers),
            None => Err(Error::Closed),
        }
    }

    /// Chooses what the segment will be like.
    pub(super) fn configure(&self, maximum: Option<u64>, mode: Option<u64>) -> Result<()> {
        if self.state.borrow().is_closed {
            return Err(Error::Closed);
        }
        self.hub.ok_or(Error::AlreadyOpen)?.configure(maximum, mode)
    }

    /// The maximum as long as nobody configures another.
    pub(super) fn suggest(&self, maximum: u64) -> Result<()> {
        self.hub.map_or(Ok(()), |hub| hub.suggest(maximum))
    }

    /// Attaches this environment; `false` if no hub answers within `timeout`.
    pub(super) fn attach(&self, timeout: Duration) -> Result<bool> {
        let mut state = self.state.borrow_mut();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if state.member.is_some() {
            return Ok(true);
        }
        let role = match self.hub {
            Some(hub) => Role::Primary(hub),
            None => Role::Worker(HubName::expected()?),
        };
        let Some(member) = Member::attach(&role, self.thread, timeout)? else {
            return Ok(false);
        };
        let warn = Arc::clone(&self.warn);
        member.listen(Box::new(move |notices| pass_on(&warn, notices)))?;
        state.member = Some(member);
        Ok(true)
    }

    /// Leaves the segment for good.
    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.is_closed = true;
        state.member = None;
    }

    /// Tells JavaScript the tag of what was read.
    #[inline]
    pub(super) fn set_status(&self, tag: u32) {
        // SAFETY: the memory of `_status`, which has an element at least; JavaScript reads it on
        // this thread, after the call.
        unsafe { self.status.get().write(tag) };
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

fn start_hub() -> napi::Result<&'static Hub> {
    hub::start(DEFAULT).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// Tells the program what it should know; that all is well again, it need not.
fn pass_on(warn: &Warn, notices: &[Notice]) {
    let is_of_hub = |notice: &&Notice| matches!(notice, Notice::HubLost | Notice::HubFound);
    if notices.iter().rfind(is_of_hub) == Some(&Notice::HubLost) {
        let message = "The primary is gone: what is shared stays, but no process can join";
        warn.call(message.to_owned(), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
