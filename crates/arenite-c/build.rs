//! Gives the shared library the name that programs remember it by.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    // Versions below 1.0 with the same middle number are compatible; the name changes when that is not so any more.
    let argument = match system.as_str() {
        "linux" | "android" | "freebsd" => "-Wl,-soname,libarenite.so.0",
        "macos" => "-Wl,-install_name,@rpath/libarenite.0.dylib",
        _ => return,
    };
    println!("cargo::rustc-cdylib-link-arg={argument}");
}
