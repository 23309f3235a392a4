//! Read a project into an **App**. A **Platform** owns the app and its **Formation**. Each **Dyno** is one task
//! driving one small state machine over an **Engine**. The **Router** knows only which addresses are up. Everything
//! that happens becomes a **log line**. The command line is a face of the same Platform.
//!
//! | layer | modules | may import |
//! |---|---|---|
//! | face | `cli` | everything below |
//! | face | `api` | everything below but `cli` |
//! | meeting | `platform` | everything below |
//! | parts | `dyno`, `router`, `manifest`, `lint` | services and vocabulary; not one another, but `lint` reads `manifest` |
//! | services | `engine`, `logs`, `heroku`, `registry` | vocabulary; `engine` also `registry`, for Docker's sign-ins |
//! | below services | `dockerfile`: what stands where in a Dockerfile | nothing of ours |
//! | below services | `web`: connections to others' servers | nothing of ours |
//! | vocabulary | `model` | nothing of ours |
//! | anywhere | `clock`, `diagnostic` | nothing of ours |
//!
//! A test (`tests/it/architecture.rs`) reads the `use` lines and fails on an arrow that points up.

pub mod api;
pub mod cli;
pub mod clock;
pub mod diagnostic;
pub mod dockerfile;
pub mod dyno;
pub mod engine;
pub mod heroku;
pub mod lint;
pub mod logs;
pub mod manifest;
pub mod model;
pub mod platform;
pub mod registry;
pub mod router;
pub mod web;
