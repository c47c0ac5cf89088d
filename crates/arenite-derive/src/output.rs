//! What the derive writes.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Generics, Ident, Lifetime, Member, parse_quote};

use crate::input::{Field, Row};

/// One of the four views.
struct View {
    name: Ident,
    /// Its name in the trait, and the trait's function that makes it.
    kind: Ident,
    make: Ident,
    /// The list of what it is made from.
    from: Ident,
    doc: String,
    /// Whether it may be copied.
    shared: bool,
    /// What a field that is a column becomes.
    field: fn(&Lifetime, &syn::Type) -> TokenStream,
    /// What it is of, for the documentation of its fields.
    of: &'static str,
}

fn views(row: &Row) -> [View; 4] {
    let name = row.name.unraw();
    let view = |suffix: &str, make: &str, from: &str, doc: String, field, of| View {
        name: Ident::new(&format!("{name}{suffix}"), row.name.span()),
        kind: format_ident!("{suffix}"),
        make: format_ident!("{make}"),
        from: format_ident!("{from}"),
        doc,
        shared: !suffix.ends_with("Mut"),
        field,
        of,
    };
    [
        view(
            "Ref",
            "view",
            "Refs",
            format!("A reference to each field of one row of [`{name}`]."),
            |life, ty| quote!(&#life #ty),
            "of the row",
        ),
        view(
            "Mut",
            "view_mut",
            "Muts",
            format!("A mutable reference to each field of one row of [`{name}`]."),
            |life, ty| quote!(&#life mut #ty),
            "of the row",
        ),
        view(
            "Slices",
            "slices",
            "Slices",
            format!("A slice of each column of [`{name}`] rows."),
            |life, ty| quote!(&#life [#ty]),
            "of each row",
        ),
        view(
            "SlicesMut",
            "slices_mut",
            "SlicesMut",
            format!("A mutable slice of each column of [`{name}`] rows."),
            |life, ty| quote!(&#life mut [#ty]),
            "of each row",
        ),
    ]
}

pub(crate) fn write(row: &Row) -> TokenStream {
    let life = Lifetime::new("'soa", Span::mixed_site());
    let views = views(row);
    let structs = views.iter().map(|view| write_view(row, view, &life));
    let implementation = write_implementation(row, &views, &life);
    quote! {
        #(#structs)*
        #implementation
    }
}

/// The struct's generics, with what the trait asks of its parameters: it must hold where a nested field's view is named.
fn owned(row: &Row) -> Generics {
    let mut generics = row.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!('static));
    }
    generics
}

fn write_view(row: &Row, view: &View, life: &Lifetime) -> TokenStream {
    let Row { vis, library, derives, .. } = row;
    let View { name, kind, doc, .. } = view;
    let mut generics = owned(row);
    generics.params.insert(0, parse_quote!(#life));
    let (parameters, arguments, clause) = generics.split_for_impl();
    let fields = row.fields.iter().map(|field| {
        let Field { member, vis, ty, docs, .. } = field;
        let ty = if field.nested {
            quote_spanned!(ty.span()=> <#ty as #library::Soa>::#kind<#life>)
        } else {
            (view.field)(life, ty)
        };
        let docs = if docs.is_empty() {
            let text = match member {
                Member::Named(name) => format!("The field `{}` {}.", name.unraw(), view.of),
                Member::Unnamed(index) => format!("Field {} {}.", index.index, view.of),
            };
            quote!(#[doc = #text])
        } else {
            quote!(#(#docs)*)
        };
        match member {
            Member::Named(name) => quote!(#docs #vis #name: #ty),
            Member::Unnamed(_) => quote!(#docs #vis #ty),
        }
    });
    // A where clause stands before the fields that have names, and behind those that have none.
    let body = if row.named { quote!(#clause { #(#fields),* }) } else { quote!((#(#fields),*) #clause;) };
    let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let copies = view.shared.then(|| {
        quote! {
            #[automatically_derived]
            impl #parameters ::core::clone::Clone for #name #arguments #clause {
                #[inline]
                fn clone(&self) -> Self {
                    *self
                }
            }

            #[automatically_derived]
            impl #parameters ::core::marker::Copy for #name #arguments #clause {}
        }
    });
    quote! {
        #[doc = #doc]
        #derives
        #[allow(dead_code, unreachable_pub, non_snake_case, missing_debug_implementations)]
        #vis struct #name #parameters #body
        #copies
    }
}

fn write_implementation(row: &Row, views: &[View; 4], life: &Lifetime) -> TokenStream {
    let Row { name, library, .. } = row;
    let soa = quote!(#library::pool::soa);
    let generics = owned(row);
    let (parameters, _, clause) = generics.split_for_impl();
    let (_, arguments, _) = row.generics.split_for_impl();

    let list = |one: &dyn Fn(&Field) -> TokenStream| {
        let items: Vec<TokenStream> = row.fields.iter().map(one).collect();
        balanced(&items)
    };
    let types = list(&|Field { ty, nested, .. }| match nested {
        true => quote_spanned!(ty.span()=> <#ty as #library::Soa>::Fields),
        false => quote!(#soa::Leaf<#ty>),
    });
    let into = list(&|Field { ty, nested, local, .. }| match nested {
        true => quote!(<#ty as #library::Soa>::into_fields(#local)),
        false => quote!(#soa::Leaf(#local)),
    });
    let pattern = list(&|Field { nested, local, .. }| match nested {
        true => local.to_token_stream(),
        false => quote!(#soa::Leaf(#local)),
    });
    let locals = list(&|Field { local, .. }| local.to_token_stream());

    let members: Vec<_> = row.fields.iter().map(|field| &field.member).collect();
    let parts = row.fields.iter().map(|field| &field.local);
    let wholes = row.fields.iter().map(|Field { ty, nested, local, .. }| match nested {
        true => quote!(<#ty as #library::Soa>::from_fields(#local)),
        false => local.to_token_stream(),
    });
    let kinds = views.iter().map(|View { name, kind, .. }| {
        let mut generics = row.generics.clone();
        generics.params.insert(0, parse_quote!(#life));
        let (_, arguments, _) = generics.split_for_impl();
        quote!(type #kind<#life> = #name #arguments;)
    });
    let makers = views.iter().map(|View { name, kind, make, from, .. }| {
        let values = row.fields.iter().map(|Field { ty, nested, local, .. }| match nested {
            true => quote!(<#ty as #library::Soa>::#make(#local)),
            false => local.to_token_stream(),
        });
        quote! {
            #[inline]
            fn #make<#life>(__soa_fields: <Self::Fields as #soa::Fields>::#from<#life>) -> Self::#kind<#life> {
                let #locals = __soa_fields;
                #name { #(#members: #values),* }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #parameters #library::Soa for #name #arguments #clause {
            type Fields = #types;
            #(#kinds)*

            #[inline]
            fn into_fields(self) -> Self::Fields {
                let Self { #(#members: #parts),* } = self;
                #into
            }

            #[inline]
            fn from_fields(__soa_fields: Self::Fields) -> Self {
                let #pattern = __soa_fields;
                Self { #(#members: #wholes),* }
            }

            #(#makers)*
        }
    }
}

/// Pairs of pairs, as flat as can be: `((a, b), c)`.
fn balanced(items: &[TokenStream]) -> TokenStream {
    match items {
        [] => quote!(()),
        [one] => one.clone(),
        _ => {
            let (front, back) = items.split_at(items.len().div_ceil(2));
            let (front, back) = (balanced(front), balanced(back));
            quote!((#front, #back))
        }
    }
}
