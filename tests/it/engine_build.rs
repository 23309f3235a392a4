//! Builds on the real engine.

use crate::engine;
use crate::support::Bench;
use dynosim::engine::{BuildEvent, BuildStep, Engine, EngineError};
use dynosim::model::image::ImageId;

fn steps(events: &[BuildEvent]) -> Vec<&BuildStep> {
    events.iter().filter_map(|event| if let BuildEvent::Step(step) = event { Some(step) } else { None }).collect()
}

async fn both_builders() -> Vec<Bench> {
    let Some(buildkit) = crate::support::engine().await else { return Vec::new() };
    let Some(classic) = crate::support::engine_with(&[("DOCKER_BUILDKIT", "0")]).await else { return Vec::new() };
    assert_eq!(classic.engine.facts().builder, "classic");
    vec![buildkit, classic]
}

#[tokio::test]
async fn an_image_is_built_and_its_own_words_are_read() {
    for bench in both_builders().await {
        let dockerfile = "FROM busybox\nARG GREETING\nENV A=1 B=\"two words\"\nWORKDIR /srv\nEXPOSE 80\nVOLUME /data\n\
                          STOPSIGNAL SIGINT\nHEALTHCHECK CMD true\nCOPY . .\nRUN echo $GREETING > /greeting\nUSER 7\n\
                          ENTRYPOINT [\"/bin/entry\"]\nCMD echo hi\n";
        let folder = tempfile::tempdir().unwrap();
        let mut plan = bench
            .plan(folder.path(), &[("Dockerfile", dockerfile), (".dockerignore", "*.log"), ("x.log", ""), ("y", "")]);
        plan.args.insert("GREETING".into(), "hello".into());
        let (built, events) = bench.try_build(&plan).await;
        let id = built.unwrap();
        assert!(id.0.starts_with("sha256:") && id.0.len() == 71, "{id:?}");
        assert!(steps(&events).iter().any(|step| step.name.contains("COPY . .") && step.finished), "{events:?}");
        assert!(events.iter().any(|event| matches!(event, BuildEvent::Context(bytes) if *bytes > 1024)));
        let image = bench.engine.inspect(&id).await.unwrap().unwrap();
        assert_eq!(image.entrypoint, ["/bin/entry"]);
        assert_eq!(image.cmd, ["/bin/sh", "-c", "echo hi"]);
        assert_eq!((image.env("A"), image.env("B")), (Some("1"), Some("two words")));
        assert_eq!((image.workdir.as_str(), image.user.as_str()), ("/srv", "7"));
        assert_eq!((image.volumes, image.exposed), (vec!["/data".to_owned()], vec!["80/tcp".to_owned()]));
        assert_eq!((image.healthcheck, image.stop_signal.as_deref()), (true, Some("SIGINT")));
        assert!(image.files.has_shell && image.files.passwd.contains("root:") && image.files.tmp_mode == Some(0o1777));
        let again = bench.try_build(&plan).await;
        assert_eq!(again.0.unwrap(), id, "a second build is the same image");
        assert!(steps(&again.1).iter().any(|step| step.cached));
        let image = bench.engine.inspect(&id).await.unwrap().unwrap();
        let (printed, _) = bench.run(bench.spec(&image, &["/bin/sh", "-c", "cat /greeting; ls -A /srv"])).await;
        assert!(printed.starts_with("hello\n") && !printed.contains("x.log") && printed.contains("y\n"), "{printed}");
        bench.close().await;
    }
}

#[tokio::test]
async fn a_failing_step_is_shown_with_output_and_line() {
    for bench in both_builders().await {
        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM busybox\n\nRUN true\nRUN echo before && \\\n    echo it broke >&2 && false\n";
        let (built, _) = bench.try_build(&bench.plan(folder.path(), &[("Dockerfile", dockerfile)])).await;
        let Err(EngineError::Build(failure)) = built else { panic!("{built:?}") };
        assert_eq!(failure.line, Some(4), "{failure:?}");
        assert!(failure.step.contains("RUN echo before"), "{failure:?}");
        assert!(failure.output.iter().any(|line| line.contains("it broke")), "{failure:?}");
        bench.close().await;
    }
}

#[tokio::test]
async fn a_dockerfile_that_cannot_be_read_names_its_line() {
    for bench in both_builders().await {
        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM busybox\nRUNN echo hi\n";
        let (built, _) = bench.try_build(&bench.plan(folder.path(), &[("Dockerfile", dockerfile)])).await;
        let Err(EngineError::Build(failure)) = built else { panic!("{built:?}") };
        assert!(failure.line == Some(2) && failure.message.contains("RUNN"), "{failure:?}");
        bench.close().await;
    }
}

#[tokio::test]
async fn old_images_go_and_kept_ones_stay() {
    let bench = engine!();
    let first = ImageId(bench.busybox("RUN echo 1 > /n").await.id);
    let second = ImageId(bench.busybox("RUN echo 2 > /n").await.id);
    let third = ImageId(bench.busybox("RUN echo 3 > /n").await.id);
    let repository = format!("dynosim/it-{}", bench.run.identity);
    let removed = bench.engine.prune_images(&repository, &[second.clone(), third.clone()]).await.unwrap();
    assert_eq!(removed, 1);
    assert!(bench.engine.inspect(&first).await.unwrap().is_none());
    assert!(!bench.engine.exists(&first).await.unwrap() && bench.engine.exists(&third).await.unwrap());
    assert!(bench.engine.inspect(&second).await.unwrap().is_some());
    bench.close().await;
}

#[tokio::test]
async fn a_large_context_is_streamed() {
    let bench = engine!();
    let folder = tempfile::tempdir().unwrap();
    let plan = bench.plan(folder.path(), &[("Dockerfile", "FROM busybox\nCOPY big /big\nRUN wc -c < /big > /size\n")]);
    std::fs::write(folder.path().join("big"), vec![7_u8; 30 << 20]).unwrap();
    let image = bench.engine.inspect(&bench.try_build(&plan).await.0.unwrap()).await.unwrap().unwrap();
    assert_eq!(bench.run(bench.sh(&image, "cat /size")).await.0.trim(), (30 << 20).to_string());
    bench.close().await;
}

#[tokio::test]
async fn a_base_image_that_cannot_be_had_says_how_to_mend_it() {
    for bench in both_builders().await {
        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM 127.0.0.1:9/there/is-none:1\n";
        let (built, _) = bench.try_build(&bench.plan(folder.path(), &[("Dockerfile", dockerfile)])).await;
        let Err(EngineError::Build(failure)) = built else { panic!("{built:?}") };
        assert!(failure.help.is_some() && failure.line == Some(1), "{failure:?}");
        bench.close().await;
    }
}

#[tokio::test]
async fn a_folder_without_the_file_that_copy_names_fails_with_its_line() {
    for bench in both_builders().await {
        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM busybox\nCOPY missing.txt /\n";
        let (built, _) = bench.try_build(&bench.plan(folder.path(), &[("Dockerfile", dockerfile)])).await;
        let Err(EngineError::Build(failure)) = built else { panic!("{built:?}") };
        assert!(failure.line == Some(2) && failure.message.contains("missing.txt"), "{failure:?}");
        bench.close().await;
    }
}
