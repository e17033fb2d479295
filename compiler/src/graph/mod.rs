//! stub of the graph
/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);
/// Builds.
#[derive(Debug)]
pub struct Builder<'a> { _a: &'a () }
