//! Sets the link options of a Node-API addon; nothing to do for the tests of the core.

fn main() {
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
