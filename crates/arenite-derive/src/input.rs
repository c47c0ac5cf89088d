//! What the derive is given.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, GenericParam, Generics, Ident, Index, LitStr, Member, Path,
    Result, Type, Visibility, parse_quote,
};

/// A struct that is to live in columns.
pub(crate) struct Row {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// Without defaults, and with `Self` written out.
    pub(crate) generics: Generics,
    pub(crate) fields: Vec<Field>,
    /// Whether its fields have names.
    pub(crate) named: bool,
    /// Where the library is.
    pub(crate) library: Path,
    /// What is to be derived for the views.
    pub(crate) derives: Vec<Path>,
}

/// A field of it.
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) vis: Visibility,
    pub(crate) ty: Type,
    /// Its own fields are columns.
    pub(crate) nested: bool,
    /// What the struct says about it.
    pub(crate) docs: Vec<Attribute>,
    /// What its value is called where the struct is taken apart.
    pub(crate) local: Ident,
}

impl Row {
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        let data = match &input.data {
            Data::Struct(data) => data,
            Data::Enum(data) => {
                return Err(Error::new(
                    data.enum_token.span,
                    "`Soa` is for structs: the rows of an enum have no common fields; put the enum into a field",
                ));
            }
            Data::Union(data) => {
                return Err(Error::new(
                    data.union_token.span,
                    "`Soa` is for structs: a union can not be taken apart; put it into a field",
                ));
            }
        };
        if let Some(lifetime) = input.generics.lifetimes().next() {
            return Err(Error::new(
                lifetime.lifetime.span(),
                "columns own what is in them, so a row borrows nothing: hold a `Handle`, an index or an `Arc`",
            ));
        }
        if data.fields.is_empty() {
            return Err(Error::new(input.ident.span(), "a struct without fields has no columns"));
        }
        let (library, derives) = struct_attributes(&input.attrs)?;
        let generics = plain(&input.generics);
        let whole = {
            let (_, arguments, _) = generics.split_for_impl();
            let name = &input.ident;
            quote!(#name #arguments)
        };
        let generics = write_self_out(&generics, &whole)?;
        let fields = data.fields.iter().enumerate().map(|(index, field)| {
            let ty = syn::parse2(without_self(field.ty.to_token_stream(), &whole))?;
            Ok(Field {
                member: match &field.ident {
                    Some(name) => Member::Named(name.clone()),
                    None => Member::Unnamed(Index { index: index as u32, span: field.ty.span() }),
                },
                vis: field.vis.clone(),
                ty,
                nested: is_nested(&field.attrs)?,
                docs: field
                    .attrs
                    .iter()
                    .filter(|attribute| attribute.path().is_ident("doc"))
                    .cloned()
                    .collect(),
                // A constant of that name would be a pattern in its place, whatever the span.
                local: Ident::new(&format!("__soa_field_{index}"), Span::mixed_site()),
            })
        });
        Ok(Self {
            name: input.ident.clone(),
            vis: input.vis.clone(),
            generics,
            fields: fields.collect::<Result<_>>()?,
            named: matches!(data.fields, Fields::Named(_)),
            library,
            derives,
        })
    }
}

/// `#[soa(crate = "…", derive(…))]` on the struct.
fn struct_attributes(attributes: &[Attribute]) -> Result<(Path, Vec<Path>)> {
    let mut library = None;
    let mut derives = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("soa")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                let path: LitStr = meta.value()?.parse()?;
                if library.replace(path.parse_with(Path::parse_mod_style)?).is_some() {
                    return Err(meta.error("`crate` is given twice"));
                }
                Ok(())
            } else if meta.path.is_ident("derive") {
                meta.parse_nested_meta(|one| {
                    // These are there already, and on mutable views they could not be.
                    if one.path.is_ident("Clone") || one.path.is_ident("Copy") {
                        return Err(
                            one.error("shared views are `Clone` and `Copy` in any case, mutable ones never")
                        );
                    }
                    derives.push(one.path);
                    Ok(())
                })
            } else if meta.path.is_ident("nested") {
                Err(meta.error("`nested` belongs on a field"))
            } else {
                Err(meta.error("not known here: a struct has `crate = \"…\"` and `derive(…)`"))
            }
        })?;
    }
    Ok((library.unwrap_or_else(|| parse_quote!(::arenite)), derives))
}

/// `#[soa(nested)]` on a field.
fn is_nested(attributes: &[Attribute]) -> Result<bool> {
    let mut nested = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("soa")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("nested") {
                return Err(meta.error("not known here: a field has `nested`"));
            }
            if nested {
                return Err(meta.error("`nested` is given twice"));
            }
            nested = true;
            Ok(())
        })?;
    }
    Ok(nested)
}

/// Without the defaults of parameters, which only the struct itself may have.
fn plain(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Type(parameter) => {
                parameter.default = None;
            }
            GenericParam::Const(parameter) => {
                parameter.default = None;
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    generics
}

fn write_self_out(generics: &Generics, whole: &TokenStream) -> Result<Generics> {
    let mut written: Generics = syn::parse2(without_self(generics.to_token_stream(), whole))?;
    if let Some(clause) = &generics.where_clause {
        written.where_clause = Some(syn::parse2(without_self(clause.to_token_stream(), whole))?);
    }
    Ok(written)
}

/// Names the struct where it says `Self`: in a view, `Self` is the view.
fn without_self(tokens: TokenStream, whole: &TokenStream) -> TokenStream {
    let mut written = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "Self" => {
                let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                written.extend(if is_path { quote!(<#whole>) } else { whole.clone() });
            }
            TokenTree::Group(group) => {
                let inner = without_self(group.stream(), whole);
                let mut other = proc_macro2::Group::new(group.delimiter(), inner);
                other.set_span(group.span());
                written.extend([TokenTree::Group(other)]);
            }
            other => written.extend([other]),
        }
    }
    written
}
