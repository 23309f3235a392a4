//! Files put on top of an image without a build: one thin layer.

use crate::model::image::ImageFacts;
use std::path::PathBuf;

/// What is put on top of which image.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The process types it is for, for messages: `web`, `web, worker`.
    pub label: String,
    /// The name the new image gets: `dynosim/shop-3f9a1c227be4/web`.
    pub repository: String,
    /// The image below.
    pub base: ImageFacts,
    /// What is put where, parents before what is in them.
    pub pieces: Vec<Piece>,
}

/// One file, folder or symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// Where it goes in the image: absolute, clean.
    pub target: String,
    /// Where it is now. Its kind, permission bits and time of change are kept.
    pub source: PathBuf,
    /// Owner: user and group.
    pub owner: (u32, u32),
}
