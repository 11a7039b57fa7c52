// SPDX-License-Identifier: Apache-2.0
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, panic, process};

fn messages() {
    let (sender, receiver) = mpsc::channel::<u64>();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let sender = sender.clone();
            thread::spawn(move || {
                for n in 0..1000 {
                    sender.send(worker * 1000 + n).unwrap();
                }
                worker
            })
        })
        .collect();
    drop(sender);
    let sum: u64 = receiver.iter().sum();
    let ended: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    println!("sum {sum} of workers {ended}");
}

fn locks() {
    let (turn, changed) = (Mutex::new(0), Condvar::new());
    let hits = AtomicUsize::new(0);
    let table = RwLock::new(HashMap::new());
    let barrier = Arc::new(Barrier::new(4));
    thread::scope(|scope| {
        for me in 0..4 {
            let (turn, changed, hits, table, barrier) = (&turn, &changed, &hits, &table, barrier.clone());
            scope.spawn(move || {
                barrier.wait();
                for round in 0..100 {
                    let mut now = turn.lock().unwrap();
                    while *now % 4 != me {
                        now = changed.wait(now).unwrap();
                    }
                    *now += 1;
                    changed.notify_all();
                    drop(now);
                    table.write().unwrap().insert((me, round), me * round);
                    hits.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    println!("{} {} {}", turn.lock().unwrap(), hits.load(Ordering::SeqCst), table.read().unwrap().values().sum::<usize>());
    let never = Mutex::new(());
    let (_guard, timeout) = changed.wait_timeout(never.lock().unwrap(), Duration::from_millis(5)).unwrap();
    println!("timed out {}", timeout.timed_out());
}

fn files() -> io::Result<()> {
    let name = env::temp_dir().join(format!("program-{}", process::id()));
    let mut file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
    for n in 0..1000 {
        writeln!(file, "line {n}")?;
    }
    file.seek(SeekFrom::Start(5))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    println!("{} {}", text.len(), file.metadata()?.len());
    let copy = name.with_extension("copy");
    println!("{}", fs::copy(&name, &copy)?);
    fs::remove_file(&copy)?;
    fs::remove_file(&name)?;
    println!("{}", fs::read("/does/not/exist").unwrap_err());
    Ok(())
}

fn collections() {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for n in 0..100_000u32 {
        *counts.entry(format!("key{}", n % 997)).or_default() += n % 7;
    }
    let sorted: BTreeMap<_, _> = counts.into_iter().collect();
    println!("{} {:?} {:?}", sorted.len(), sorted.iter().next(), sorted.iter().next_back());
}

fn time() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    let slept = start.elapsed() >= Duration::from_millis(20);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("slept {slept}, later than 2023 {}", now.as_secs() > 1_700_000_000);
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    println!("{arguments:?} {:?} {:?}", env::var("GREETING"), env::var("NOTHING"));
    for line in io::stdin().lock().lines() {
        eprintln!("<{}>", line.unwrap());
    }
    messages();
    locks();
    files().unwrap();
    collections();
    time();
    let caught = panic::catch_unwind(|| panic!("caught"));
    println!("{}", caught.unwrap_err().downcast_ref::<&str>().unwrap());
    println!("{}", thread::spawn(|| if env::args().len() > 0 { panic!("in a thread") }).join().is_err());
    if arguments[0] == "panic" {
        let index = arguments.len();
        println!("{}", arguments[index]);
    }
    process::exit(5);
}
