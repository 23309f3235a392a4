//! Files that a web server serves as they are.

use super::folder::{Folder, command};
use super::{Found, Node, Stack};
use serde::Serialize;

/// Where a site's front page can be.
pub(super) const INDEXES: &[&str] =
    &["index.html", "public/index.html", "dist/index.html", "_site/index.html", "docs/index.html"];

/// What an image of a site must know.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The folder that is served, from the root; `.` for all of it.
    pub folder: String,
    /// How it is made of sources, if it is.
    pub build: Option<Node>,
}

/// What nginx is started with: its configuration gets the dyno's `$PORT`.
pub(super) const SERVE: &str =
    "envsubst '$PORT' < /etc/nginx/app.conf.template > /tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf";

pub(super) fn read(folder: &mut Folder) -> Found {
    let index = folder.first(INDEXES).unwrap_or("index.html");
    let served = index.rsplit_once('/').map_or(".", |(served, _)| served);
    folder.fact("a static site, for nginx", index);
    Found {
        stack: Stack::Site(Site { folder: served.to_owned(), build: None }),
        web: Some(command(SERVE, "nginx.conf.template")),
        no_web: String::new(),
        test: None,
    }
}
