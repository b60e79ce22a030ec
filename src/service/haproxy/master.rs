//! The words of HAProxy's master process (Management Guide, section 9.4): a reload, and the proof that it happened.

use crate::model::Secret;

/// `show proc`: what the master says of its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    /// The workers that accept connections.
    pub workers: Vec<u32>,
    /// So many reloads have failed since the last that did not.
    pub failed: u32,
}

/// Asks for the processes.
pub fn processes() -> Secret {
    Secret::new(b"show proc\n".to_vec())
}

/// Asks a worker for its own number, which only one that works can tell.
pub fn ask_worker(pid: u32) -> Secret {
    Secret::new(format!("@!{pid} show info\n").into_bytes())
}

/// Whether that worker answered.
pub fn has_answered(pid: u32, answer: &str) -> bool {
    answer.lines().any(|line| line.strip_prefix("Pid:").is_some_and(|said| said.trim() == pid.to_string()))
}

/// Asks for a reload. From 2.7 on it answers when it is over; before, it answers nothing.
pub fn reload() -> Secret {
    Secret::new(b"reload\n".to_vec())
}

/// Reads the processes; None when the answer is none, as while the master replaces itself.
pub fn read_processes(answer: &str) -> Option<Processes> {
    let mut found = Processes { workers: Vec::new(), failed: 0 };
    let (mut master, mut old) = (false, false);
    for line in answer.lines() {
        old = old || line.starts_with("# old workers") || line.starts_with("# programs");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [pid, kind, ..] = words[..] else { continue };
        match (kind, pid.parse()) {
            ("master", Ok::<u32, _>(_)) => {
                master = true;
                let failed = line.split_once("[failed:").and_then(|(_, rest)| rest.split_once(']'));
                found.failed = failed.and_then(|(count, _)| count.trim().parse().ok()).unwrap_or(0);
            }
            ("worker", Ok(pid)) if !old => found.workers.push(pid),
            _ => {}
        }
    }
    master.then_some(found)
}

/// How a reload went, judged by the processes before and now. None while it is not over.
pub fn reloaded(before: &Processes, now: &Processes) -> Option<Result<(), &'static str>> {
    if now.failed > before.failed {
        return Some(Err("the master counts a failed reload; the old worker keeps serving"));
    }
    let renewed = !now.workers.is_empty() && now.workers.iter().all(|pid| !before.workers.contains(pid));
    renewed.then_some(Ok(()))
}

/// What `reload` says from 2.7 on: `Success=1` or `Success=0` and the log of the start. None before.
pub fn read_reload(answer: &str) -> Option<Result<(), String>> {
    let said = answer.lines().find_map(|line| line.trim().strip_prefix("Success="))?;
    if said == "1" {
        return Some(Ok(()));
    }
    let log: Vec<&str> = answer
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("[ALERT]") || line.contains("[WARNING]"))
        .collect();
    Some(Err(if log.is_empty() { "the new worker did not start".to_owned() } else { log.join(" | ") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "#<PID>          <type>          <reloads>       <uptime>        <version>\n\
        1162            master          5 [failed: 0]   0d00h02m07s     2.6.12\n\
        # workers\n1271            worker          1               0d00h00m00s     2.6.12\n\
        # old workers\n1233            worker          3               0d00h00m43s     2.6.12\n# programs\n\n";

    #[test]
    fn a_reload_is_told_from_one_that_failed_and_one_that_is_not_over() {
        let before = read_processes(BEFORE).unwrap();
        assert_eq!(before, Processes { workers: vec![1271], failed: 0 });
        assert_eq!(reloaded(&before, &before), None);
        let failed = read_processes(&BEFORE.replace("failed: 0", "failed: 1")).unwrap();
        assert!(reloaded(&before, &failed).unwrap().is_err());
        let done = read_processes(&BEFORE.replace("1271", "1300")).unwrap();
        assert_eq!(reloaded(&before, &done), Some(Ok(())));
        assert_eq!(read_processes(""), None);
    }

    #[test]
    fn a_reload_is_over_when_all_workers_are_others() {
        let processes = |workers: &[u32], failed| Processes { workers: workers.to_vec(), failed };
        // What failed before the first look is not this reload.
        let before = processes(&[1271, 1272], 1);
        for (now, over) in [
            (processes(&[1300, 1301], 1), Some(true)),
            (processes(&[1300, 1301], 0), Some(true)),
            (processes(&[1300, 1272], 1), None),
            (processes(&[1271], 1), None),
            (processes(&[], 0), None),
            (processes(&[1271, 1272], 2), Some(false)),
            (processes(&[1300, 1301], 2), Some(false)),
        ] {
            assert_eq!(reloaded(&before, &now).map(|ended| ended.is_ok()), over, "{now:?}");
        }
    }

    #[test]
    fn a_master_is_known_by_its_own_line_and_counts_its_failures_there() {
        let several = BEFORE.replace(
            "# old workers",
            "1272            worker          1               0d00h00m00s\n# old workers",
        );
        assert_eq!(read_processes(&several).unwrap().workers, [1271, 1272]);
        assert_eq!(read_processes(&BEFORE.replace("failed: 0", "failed: 12")).unwrap().failed, 12);
        assert_eq!(read_processes(&BEFORE.replace(" [failed: 0]", "")).unwrap().failed, 0);
        let without: String =
            BEFORE.lines().filter(|line| !line.contains("master")).map(|line| format!("{line}\n")).collect();
        assert_eq!(read_processes(&without), None);
    }

    #[test]
    fn a_worker_that_works_tells_its_own_number() {
        assert_eq!(ask_worker(7).expose(), b"@!7 show info\n");
        assert!(has_answered(1271, "Name: HAProxy\nVersion: 2.6.12\nPid: 1271\nUptime: 0d\n\n"));
        for other in
            ["", "Pid: 12\n", "Pid: 12711\n", "Can't find the target PID matching the prefix '@!1271'\n"]
        {
            assert!(!has_answered(1271, other), "{other}");
        }
    }

    #[test]
    fn later_versions_say_how_it_went() {
        assert_eq!(read_reload(""), None);
        assert_eq!(read_reload("Success=1\n--\nnotice"), Some(Ok(())));
        let failed =
            "Success=0\n--\n[NOTICE]   (1) : haproxy version is 2.8.0\n[ALERT]    (1) : config : broken\n";
        assert_eq!(read_reload(failed), Some(Err("[ALERT]    (1) : config : broken".to_owned())));
        assert_eq!(read_reload("Success=0\n--\n"), Some(Err("the new worker did not start".to_owned())));
        let warned = "Success=0\n--\n[WARNING]  (1) : config : odd\n[ALERT]    (1) : config : broken\n";
        let both = "[WARNING]  (1) : config : odd | [ALERT]    (1) : config : broken";
        assert_eq!(read_reload(warned), Some(Err(both.to_owned())));
    }
}
