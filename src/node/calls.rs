//! A call from JavaScript: its arguments, and what goes back.
//!
//! Each method is a plain function of a [`Face`] and a [`Call`]; [`method!`] wraps it into the C
//! function that Node-API wants. A method that fails throws the error that `lib/errors.js` makes.

use super::errors;
use super::face::Face;
use crate::error::{Error, Result};
use arrayvec::ArrayVec;
use napi::sys;
use std::io::Write as _;
use std::ptr;

/// Units of a string that are looked at and then copied: as many as the nearest cache holds.
const NARROWED: usize = 4096;
/// Elements that an array is given in one call of Node-API.
const ELEMENTS: usize = 32;

/// Twenty digits and a zero.
type Name = ArrayVec<u8, 21>;

/// Wraps `fn(&Face, &Call<N>) -> Result<sys::napi_value>` into a Node-API callback.
macro_rules! method {
    ($name:ident, $arguments:literal, $function:path) => {
        pub(super) unsafe extern "C" fn $name(
            env: sys::napi_env,
            info: sys::napi_callback_info,
        ) -> sys::napi_value {
            // SAFETY: Node-API calls this with its environment and a valid info.
            unsafe { $crate::node::calls::run::<$arguments>(env, info, $function) }
        }
    };
}
pub(super) use method;

/// The arguments of a call; missing ones are `undefined`.
pub(super) struct Call<const N: usize> {
    pub(super) env: sys::napi_env,
    pub(super) arguments: [sys::napi_value; N],
}

/// Runs a method and turns its error into an exception.
///
/// # Safety
/// `env` and `info` are those of a callback whose data is a [`Face`] that lives as long as its
/// environment, and this is that environment's thread.
#[inline(always)]
pub(super) unsafe fn run<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    method: impl FnOnce(&Face, &Call<N>) -> Result<sys::napi_value>,
) -> sys::napi_value {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    let mut data = ptr::null_mut();
    // SAFETY: all pointers are valid for writes, and `arguments` has room for `count`.
    let status = unsafe {
        let to = arguments.as_mut_ptr();
        sys::napi_get_cb_info(env, info, &raw mut count, to, ptr::null_mut(), &raw mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return no_face(env);
    }
    // SAFETY: the caller says that data is a face; methods run on its one thread, and it is freed
    // by the environment's cleanup hook, after which no JavaScript runs.
    let face = unsafe { &*data.cast::<Face>() };
    match method(face, &Call { env, arguments }) {
        Ok(value) => value,
        Err(error) => {
            errors::throw(env, face, &error);
            ptr::null_mut()
        }
    }
}

/// What Node-API says nothing of is a call without a face, so this throws by itself.
#[cold]
fn no_face(env: sys::napi_env) -> sys::napi_value {
    // SAFETY: both texts end with a zero. If it cannot throw, JavaScript is ending.
    unsafe {
        sys::napi_throw_error(env, c"ERR_SYSTEM".as_ptr(), c"Node-API failed".as_ptr());
    }
    ptr::null_mut()
}

impl<const N: usize> Call<N> {
    /// The argument as a double.
    #[inline]
    pub(super) fn number(&self, argument: sys::napi_value) -> Result<f64> {
        let mut number = 0.0;
        // SAFETY: `argument` is a live value of this call; the result is valid for writes.
        let status = unsafe { sys::napi_get_value_double(self.env, argument, &raw mut number) };
        expect(status, number)
    }

    /// Copies at most `units.len() - 1` units of a string argument to `units`, and ends them with a
    /// zero; gives how many.
    #[inline]
    pub(super) fn units(&self, argument: sys::napi_value, units: &mut [u16]) -> Result<usize> {
        let mut length = 0;
        // SAFETY: `argument` is a live value of this call; Node-API writes at most `units.len()`
        // units including the zero.
        let status = unsafe {
            let (into, room) = (units.as_mut_ptr(), units.len());
            sys::napi_get_value_string_utf16(self.env, argument, into, room, &raw mut length)
        };
        expect(status, length)
    }

    /// Units of a string argument.
    pub(super) fn length(&self, argument: sys::napi_value) -> Result<usize> {
        let mut length = 0;
        // SAFETY: `argument` is a live value of this call; no buffer means: only the length.
        let status = unsafe {
            let none = ptr::null_mut();
            sys::napi_get_value_string_utf16(self.env, argument, none, 0, &raw mut length)
        };
        expect(status, length)
    }

    /// The bytes of a Buffer or `Uint8Array` argument.
    pub(super) fn bytes(&self, argument: sys::napi_value) -> Result<&[u8]> {
        let (mut data, mut length) = (ptr::null_mut(), 0);
        // SAFETY: `argument` is a live value of this call; both results are valid for writes.
        let status = unsafe {
            sys::napi_get_buffer_info(self.env, argument, &raw mut data, &raw mut length)
        };
        expect(status, ())?;
        if length == 0 {
            return Ok(&[]);
        }
        // SAFETY: Node-API gave the memory of a live array. lib/values.js hands over arrays that no
        // other thread can reach, and no JavaScript of this thread runs during the call.
        Ok(unsafe { std::slice::from_raw_parts(data.cast(), length) })
    }

    /// A double for JavaScript.
    #[inline]
    pub(super) fn new_number(&self, number: f64) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the result is valid for writes.
        let status = unsafe { sys::napi_create_double(self.env, number, &raw mut value) };
        expect(status, value)
    }

    /// A boolean for JavaScript.
    #[inline]
    pub(super) fn new_boolean(&self, boolean: bool) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the result is valid for writes.
        let status = unsafe { sys::napi_get_boolean(self.env, boolean, &raw mut value) };
        expect(status, value)
    }

    /// `null`.
    pub(super) fn new_null(&self) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the result is valid for writes.
        let status = unsafe { sys::napi_get_null(self.env, &raw mut value) };
        expect(status, value)
    }

    /// A string of Latin-1 bytes for JavaScript.
    #[inline]
    pub(super) fn new_latin1(&self, bytes: &[u8]) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: Node-API copies the bytes, of which there are as many as it is told.
        let status = unsafe {
            let length = bytes.len().cast_signed();
            sys::napi_create_string_latin1(self.env, bytes.as_ptr().cast(), length, &raw mut value)
        };
        expect(status, value)
    }

    /// A string of UTF-16 units for JavaScript.
    pub(super) fn new_utf16(&self, units: &[u16]) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: Node-API copies the units, of which there are as many as it is told.
        let status = unsafe {
            let length = units.len().cast_signed();
            sys::napi_create_string_utf16(self.env, units.as_ptr(), length, &raw mut value)
        };
        expect(status, value)
    }

    /// A string of Latin-1 bytes, or if it is wide of UTF-16 units, two bytes each.
    pub(super) fn new_string(
        &self,
        bytes: &[u8],
        wide: bool,
        units: &mut Vec<u16>,
    ) -> Result<sys::napi_value> {
        if !wide {
            return self.new_latin1(bytes);
        }
        units.clear();
        units.extend(bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)));
        self.new_utf16(units)
    }

    /// Reads a string into `bytes`, a byte a unit or, if a unit needs two, two: then `true`.
    #[inline]
    pub(super) fn string(
        &self,
        argument: sys::napi_value,
        units: &mut Vec<u16>,
        bytes: &mut Vec<u8>,
    ) -> Result<bool> {
        const SHORT: usize = 1024;
        if units.len() < SHORT {
            units.resize(SHORT, 0);
        }
        let mut length = self.units(argument, units)?;
        if length + 1 == units.len() {
            // There may be more than was copied.
            units.resize(self.length(argument)? + 2, 0);
            length = self.units(argument, units)?;
        }
        Ok(narrow(units.get(..length).unwrap_or_default(), bytes))
    }

    /// An array of these values; missing ones are `undefined`.
    ///
    /// Its elements are defined, not set: `napi_set_element` runs a setter that somebody has put on
    /// `Array.prototype`, and nobody's JavaScript may run while the engine is borrowed.
    pub(super) fn new_array(&self, values: &[sys::napi_value]) -> Result<sys::napi_value> {
        let (mut array, mut undefined) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the result is valid for writes.
        let status =
            unsafe { sys::napi_create_array_with_length(self.env, values.len(), &raw mut array) };
        expect(status, ())?;
        // SAFETY: as above.
        expect(unsafe { sys::napi_get_undefined(self.env, &raw mut undefined) }, ())?;
        let mut index = 0;
        for some in values.chunks(ELEMENTS) {
            let names: ArrayVec<_, ELEMENTS> = (index..).take(some.len()).map(name_of).collect();
            let some = some.iter().map(|value| if value.is_null() { undefined } else { *value });
            let elements: ArrayVec<_, ELEMENTS> =
                names.iter().zip(some).map(|(name, value)| element(name, value)).collect();
            index += elements.len();
            // SAFETY: all are live values of this call; the names live as long, and there are as
            // many elements as it is told.
            let status = unsafe {
                let (count, first) = (elements.len(), elements.as_ptr());
                sys::napi_define_properties(self.env, array, count, first)
            };
            expect(status, ())?;
        }
        Ok(array)
    }

    /// A Buffer with a copy of the bytes.
    pub(super) fn new_buffer(&self, bytes: &[u8]) -> Result<sys::napi_value> {
        let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: Node-API copies the bytes, of which there are as many as it is told; both
        // results are valid for writes.
        let status = unsafe {
            let (from, length) = (bytes.as_ptr().cast(), bytes.len());
            sys::napi_create_buffer_copy(self.env, length, from, &raw mut data, &raw mut value)
        };
        expect(status, value)
    }
}

/// Fills `bytes` with a byte a unit; or, if one unit needs two, with two each: then `true`.
#[inline]
fn narrow(units: &[u16], bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    bytes.reserve(units.len());
    for some in units.chunks(NARROWED) {
        if some.iter().fold(0, |all, unit| all | unit) > 0xff {
            bytes.clear();
            bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            return true;
        }
        #[expect(clippy::cast_possible_truncation, reason = "no unit is above 255")]
        bytes.extend(some.iter().map(|unit| *unit as u8));
    }
    false
}

/// An index as the name of a property, with a zero at its end.
fn name_of(index: usize) -> Name {
    let mut name = Name::new();
    // There is room for any.
    let _ = write!(name, "{index}\0");
    name
}

/// The property of an array that an element is.
fn element(name: &Name, value: sys::napi_value) -> sys::napi_property_descriptor {
    sys::napi_property_descriptor {
        utf8name: name.as_ptr().cast(),
        name: ptr::null_mut(),
        method: None,
        getter: None,
        setter: None,
        value,
        attributes: sys::PropertyAttributes::writable
            | sys::PropertyAttributes::enumerable
            | sys::PropertyAttributes::configurable,
        data: ptr::null_mut(),
    }
}

#[inline]
fn expect<T>(status: sys::napi_status, value: T) -> Result<T> {
    if status == sys::Status::napi_ok { Ok(value) } else { Err(refused(status)) }
}

/// What Node-API refuses is an argument of another type than lib/ promises, or a string or buffer
/// that JavaScript's heap has no room for.
#[cold]
const fn refused(status: sys::napi_status) -> Error {
    Error::System { call: "Node-API", errno: status }
}
