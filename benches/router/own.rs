//! dynosim's router in a process of its own, as `up` runs it: the same runtime, and its log lines through the log's
//! own pipeline into a journal on disk.

use crate::Result;
use dynosim::clock::Clock;
use dynosim::logs::{Filter, Logs, LogsOptions, Renderer, Start, Style, print};
use dynosim::model::dyno::{DynoName, DynoState};
use dynosim::model::endpoint::Endpoint;
use dynosim::model::process_type::ProcessType;
use dynosim::model::timeouts::Timeouts;
use dynosim::router::table::{Backend, Route, Table};
use dynosim::router::traffic::Traffic;
use dynosim::router::{Listener, Router, RouterConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves for ever, after its port was told on standard output. With `printed`, a reader also follows the journal and
/// prints it to a file, as `up > file` does.
pub(crate) fn run(upstream: SocketAddr, dir: &Path, printed: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::system();
        let logs = Logs::open(&dir.join("journal"), clock.clone(), LogsOptions::default())?;
        if printed {
            let mut follower = logs.follow(Start::Now, Filter::default())?;
            let mut file = tokio::fs::File::create(dir.join("printed.log")).await?;
            tokio::spawn(async move { print(&mut follower, &mut Renderer::new(Style::Plain), &mut file).await });
        }
        let dyno = Backend {
            name: DynoName::new(ProcessType::web(), 1),
            generation: 1,
            state: DynoState::Up,
            endpoint: Some(Endpoint(upstream)),
            traffic: Traffic::default(),
        };
        let route = Route { app: "bench".into(), dynos: vec![dyno], ..Route::default() };
        let (_table, receiver) = watch::channel(Arc::new(Table { apps: vec![route] }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let config = RouterConfig::new(Timeouts::heroku());
        let publish = logs.clone();
        let _router = Router::start(vec![Listener::http(listener)], &receiver, config, &clock, move |line| {
            publish.publish(&line);
        })?;
        println!("{port}");
        std::future::pending::<()>().await;
        Ok(())
    })
}
