//! Text to typed, located values: heroku.yml, Procfile, app.json, `.env` files and Dockerfile names become an
//! [`App`](crate::model::app::App), or diagnostics.
//!
//! | file | what |
//! |---|---|
//! | `project` | the way in: [`load`] |
//! | `heroku_yml`, `procfile`, `app_json`, `env_file` | one parser for each file; pure |
//! | `dockerfiles` | Dockerfiles by name, as `container:push` finds them |
//! | `assembly`, `procfile_laid`, `procfile_alone`, `config`, `quantities`, `addons`, `app_name` | what follows from the files together |
//! | `bare` | a Dockerfile's command, environment and folder, without a build |
//! | `env_edit` | changes to a `.env` file that leave the rest of it alone |
//! | `node`, `yaml`, `json` | the located tree that two of the parsers stand on |
//! | `survey` | what a folder holds before any of these files is there: language, start command, config vars |
//!
//! Nothing here builds, runs or asks an engine anything. Findings are collected, never printed.

mod addons;
mod app_json;
mod app_name;
mod assembly;
mod bare;
mod command;
mod config;
mod copies;
mod dockerfiles;
mod env_cut;
mod env_edit;
mod env_file;
mod files;
mod heroku_keys;
mod heroku_yml;
mod images;
mod interpolate;
mod json;
mod node;
mod procfile;
mod procfile_alone;
mod procfile_laid;
mod project;
mod quantities;
mod survey;
mod yaml;

pub use bare::Reading;
pub use config::MissingVar;
pub use copies::{Copies, Landing, Subject, Way};
pub use env_edit::{edited as edited_env, read as read_env};
pub use env_file::{EnvReading, EnvReadings, readings as env_readings};
pub(crate) use files::read as read_file;
pub use node::similar;
pub use project::{EnvFileOption, LoadOptions, Loaded, Refused, load, load_or_rest};
pub use survey::{Fact, Go, Java, Language, Node, Php, Python, Ruby, Rust, Site, Stack, Survey, Variable, survey};
pub use yaml::is_yaml;
