//! The rules, one small piece each.

mod build;
mod commands;
mod files;
mod ignored;
mod image;
mod node;
mod ports;
mod reader;
mod release;
mod root;
mod running;
mod secrets;
mod server_images;
mod words;

use super::rule::Rule;

/// All rules, by number. A number is never given to another rule.
pub static RULES: &[&Rule] = &[
    &ports::HARD_CODED_PORT,
    &ports::DEFAULT_PORT,
    &ports::LOOPBACK,
    &commands::LITERAL_VARIABLE,
    &server_images::SERVER_IMAGE,
    &node::PORT_NOT_READ,
    &ignored::EXPOSE,
    &commands::NO_COMMAND,
    &commands::PROMPT,
    &commands::SHELL_ENTRYPOINT,
    &commands::DEAF_SCRIPT,
    &words::NOT_INTERPRETED,
    &words::ONE_WORD,
    &running::WITHOUT_EXEC,
    &commands::NO_SHELL,
    &running::BACKGROUND,
    &ignored::VOLUME,
    &ignored::HEALTHCHECK,
    &ignored::STOPSIGNAL,
    &root::NEEDS_ROOT,
    &root::LOW_PORT,
    &root::WRITES,
    &root::HOME_OF_ROOT,
    &files::CRLF,
    &files::NOT_EXECUTABLE,
    &files::MISSING,
    &files::DOTENV,
    &files::HOST_MODULES,
    &files::IGNORE_ELSEWHERE,
    &files::IGNORE_PATTERN,
    &build::EMPTY_ARG,
    &build::UNUSED_CONFIG,
    &build::CONFIG_VAR,
    &secrets::IN_BUILD,
    &secrets::LITERAL,
    &secrets::KEY_FILE,
    &image::ARCHITECTURE,
    &image::LAYERS,
    &image::ATTESTATIONS,
    &release::SERVER,
    &release::CURL,
    &running::PS_EXEC,
    &running::KEEP_ALIVE,
    &reader::HEROKU_YML_KEY,
    &reader::HEROKU_YML,
    &reader::PROCFILE,
    &reader::REQUIRED,
    &reader::NAME,
    &reader::PLATFORM_NAME,
    &reader::SIZE,
    &reader::DIALECT,
    &reader::ENV_LINE,
    &reader::ADDON,
    &reader::APP_JSON,
    &reader::DOCKERFILE,
    &reader::IGNORE,
    &ignored::ONBUILD,
    &reader::LOCALHOST,
    &words::TWICE,
];
