//! Asks the linker for what a source file can not say.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Started before every other library: their own start allocates, makes threads, and asks to be told of forks. What asks
    // first is told last before a fork and first after it, so that whatever others do then finds the heap in order.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,initfirst");
}
