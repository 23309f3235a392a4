//! Commands inside scripted dynos: each prints its words and ends well, `exit N` ends with N.

use super::FakeEngine;
use crate::engine::{Console, EngineError, Guest, Inside, Output, OutputSink};
use async_trait::async_trait;
use bytes::Bytes;

pub(super) struct FakeInside {
    engine: FakeEngine,
    dyno: String,
}

impl FakeInside {
    pub(super) fn new(engine: &FakeEngine, dyno: &str) -> Self {
        Self { engine: engine.clone(), dyno: dyno.to_owned() }
    }
}

#[async_trait]
impl Inside for FakeInside {
    async fn shell(&self) -> Result<Option<String>, EngineError> {
        Ok(Some("/bin/sh".into()))
    }

    async fn has(&self, program: &str) -> Result<bool, EngineError> {
        Ok(program != "missing")
    }

    async fn programs(&self) -> Result<Vec<String>, EngineError> {
        Ok(vec!["serve".into()])
    }

    async fn exec(
        &self,
        argv: &[String],
        _env: &[(String, String)],
        _console: Console,
        output: OutputSink,
    ) -> Result<Box<dyn Guest>, EngineError> {
        self.engine.lock().record.execs.push((self.dyno.clone(), argv.to_vec()));
        let words = format!("{}\n", argv.join(" "));
        // Nobody may be reading.
        let _ = output.send(Output { stderr: false, bytes: Bytes::from(words) }).await;
        let status = match argv {
            [word, code] if word == "exit" => code.parse().unwrap_or(2),
            _ => 0,
        };
        Ok(Box::new(FakeGuest(status)))
    }
}

struct FakeGuest(i32);

#[async_trait]
impl Guest for FakeGuest {
    async fn input(&self, _bytes: Bytes) {}

    async fn resize(&self, _columns: u16, _rows: u16) {}

    async fn ended(&self) -> Result<i32, EngineError> {
        Ok(self.0)
    }
}
