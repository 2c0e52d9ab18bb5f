//! What JavaScript holds of the engine: an object of methods for the keys of each namespace.

use super::engine::Engine;
use super::{cold, hot, keys, lru, news, values};
use crate::entry::Namespace;

use napi::bindgen_prelude::{JsValue, Object};
use napi::{Env, sys};
use std::ffi::{CStr, c_void};
use std::ops::Deref;
use std::ptr;

/// The engine for the keys of one namespace: what JavaScript's methods are bound to.
pub(super) struct Face {
    engine: &'static Engine,
    pub(super) namespace: Namespace,
}

impl Face {
    /// An object with the same methods for the keys of another namespace.
    pub(super) fn other(&self, env: &Env, namespace: Namespace) -> napi::Result<sys::napi_value> {
        Ok(self.engine.face(env, namespace)?.raw())
    }
}

impl Deref for Face {
    type Target = Engine;

    #[inline(always)]
    fn deref(&self) -> &Engine {
        self.engine
    }
}

/// The methods of the object that `open` returns.
const METHODS: [(&CStr, sys::napi_callback); 48] = [
    (c"get", Some(hot::get)),
    (c"has", Some(hot::has)),
    (c"set", Some(hot::set)),
    (c"remove", Some(hot::remove)),
    (c"incr", Some(hot::incr)),
    (c"getNew", Some(values::get_new)),
    (c"put", Some(values::put)),
    (c"incrFor", Some(values::incr_for)),
    (c"exchange", Some(values::exchange)),
    (c"take", Some(values::take)),
    (c"touch", Some(values::touch)),
    (c"ttl", Some(values::ttl)),
    (c"scan", Some(keys::scan)),
    (c"clearSome", Some(keys::clear_some)),
    (c"usage", Some(keys::usage)),
    (c"bound", Some(keys::bound)),
    (c"namespace", Some(keys::namespace)),
    (c"lock", Some(hot::lock)),
    (c"unlock", Some(hot::unlock)),
    (c"isLast", Some(hot::is_last)),
    (c"watch", Some(news::watch)),
    (c"unwatch", Some(news::unwatch)),
    (c"next", Some(news::next)),
    (c"look", Some(news::look)),
    (c"lruGet", Some(lru::get)),
    (c"lruSet", Some(lru::set)),
    (c"lruRemove", Some(lru::remove)),
    (c"lruOptions", Some(lru::options)),
    (c"lruAdopt", Some(lru::adopt)),
    (c"lruStanding", Some(lru::standing)),
    (c"lruInherit", Some(lru::inherit)),
    (c"lruSweep", Some(lru::sweep)),
    (c"lruMeasured", Some(lru::measured)),
    (c"lruLost", Some(lru::lost)),
    (c"lruGiveWay", Some(lru::give_way)),
    (c"configure", Some(cold::configure)),
    (c"suggest", Some(cold::suggest)),
    (c"share", Some(cold::share)),
    (c"snapshot", Some(cold::snapshot)),
    (c"name", Some(cold::name)),
    (c"attach", Some(cold::attach)),
    (c"mode", Some(cold::mode)),
    (c"nonce", Some(cold::nonce)),
    (c"stats", Some(cold::stats)),
    (c"verify", Some(cold::verify)),
    (c"close", Some(cold::close)),
    (c"letGo", Some(cold::let_go)),
    (c"nothing", Some(cold::nothing)),
];

impl Engine {
    /// The object's methods as functions that carry a face as their data, one for users' keys; and
    /// in `package` those for the package's own keys.
    pub(super) fn object<'e>(&'static self, env: &'e Env) -> napi::Result<Object<'e>> {
        let mut object = self.face(env, Namespace::USER)?;
        object.set("package", self.face(env, Namespace::PACKAGE)?)?;
        Ok(object)
    }

    fn face<'e>(&'static self, env: &'e Env, namespace: Namespace) -> napi::Result<Object<'e>> {
        let object = Object::new(env)?;
        let face = Box::into_raw(Box::new(Face { engine: self, namespace }));
        env.add_env_cleanup_hook(face as usize, |address| {
            // SAFETY: the box given up above, which nobody frees but this hook, once; no JavaScript
            // of the environment, and so no method of the face, runs after it.
            drop(unsafe { Box::from_raw(address as *mut Face) });
        })?;
        for (name, callback) in METHODS {
            let data = face.cast::<c_void>();
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
}
