//! YAML with its places: a tree in which every value knows its file, line and column, and a way of
//! reading it that finds every problem in one pass.
//!
//! Scalars keep the text as written, since `0600` and `yes` mean different things to different
//! readers: the reader decides. The parser below is `granit_parser`; no other module names it.

mod decode;
mod problem;
mod tree;

pub use decode::{Fields, FromNode, OneOrMany, Spanned};
pub use problem::{Problem, Problems, Source, SourceId, Sources, Span};
pub use tree::{MappingEntry, Node, Reference, Scalar, Value, parse};
