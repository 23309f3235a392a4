//! Text to typed, located values: heroku.yml, Procfile, app.json, `.env` files and Dockerfile names become an
//! [`App`](crate::model::app::App), or diagnostics.
//!
//! The parsers are pure and read no files. They do not build, run or ask an engine anything.

mod addons;
mod app_json;
mod command;
mod env_cut;
mod env_file;
mod heroku_keys;
mod heroku_yml;
mod interpolate;
mod json;
mod node;
mod procfile;
mod yaml;
