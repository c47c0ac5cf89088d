//! `#[derive(Soa)]` of Arenite. Use it through the library, which re-exports it: `arenite::Soa` is both the trait and this
//! derive, and its documentation says what is made and which attributes there are.
//!
//! What is written is safe code, free of warnings: a crate that forbids `unsafe_code` and denies `missing_docs` takes it.
//!
//! ```text
//!   input.rs    the struct, its fields, its attributes; everything that can be refused is refused here
//!   output.rs   the four views, and the implementation of the trait
//! ```

mod input;
mod output;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Lets a struct live in columns. See the trait of the same name in `arenite`.
#[proc_macro_derive(Soa, attributes(soa))]
pub fn derive_soa(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match input::Row::read(&input) {
        Ok(row) => output::write(&row).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
