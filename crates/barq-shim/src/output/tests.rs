//! Positions through rotations, torn records, and the tail, on files written by the real writer.

use super::*;
use crate::capture::OutputWriter;
use crate::spec::{OnLimit, OutputLimit};

fn writer(directory: &Path, bytes_max: u64, on_limit: OnLimit) -> OutputWriter {
    OutputWriter::create(
        directory,
        OutputLimit {
            bytes_max,
            on_limit,
        },
    )
    .unwrap()
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_follower_gets_every_line_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path(), 1 << 20, OnLimit::Rotate);
    let mut offset = 0;
    for round in 0..5 {
        writer.append(
            Timestamp::now(),
            Stream::Stdout,
            false,
            format!("line {round}").as_bytes(),
        );
        writer.flush();
        let chunk = read(directory.path(), offset, 1).unwrap();
        assert_eq!(texts(&chunk.lines), [format!("line {round}")]);
        assert_eq!(chunk.skipped_bytes, 0);
        offset = chunk.next_offset;
    }
    assert_eq!(read(directory.path(), offset, 1).unwrap().lines, []);
}

#[test]
fn positions_go_on_through_rotations_and_tell_what_was_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path(), 4096, OnLimit::Rotate);
    let text = "x".repeat(100);
    for number in 0..200 {
        writer.append(
            Timestamp::now(),
            Stream::Stderr,
            false,
            format!("{number} {text}").as_bytes(),
        );
        writer.flush();
    }
    let kept: u64 = [OUTPUT_FILE, OUTPUT_FILE_BEFORE]
        .iter()
        .map(|name| {
            std::fs::metadata(directory.path().join(name))
                .unwrap()
                .len()
        })
        .sum();
    assert!(
        kept <= 4096 + 2 * HEADER_BYTES_MAX as u64,
        "{kept} bytes are kept"
    );
    assert!(writer.truncated());

    let chunk = read(directory.path(), 0, 1 << 20).unwrap();
    assert!(chunk.skipped_bytes > 0);
    let numbers: Vec<u32> = chunk
        .lines
        .iter()
        .map(|line| line.text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (200 - numbers.len() as u32..200).collect::<Vec<_>>()
    );
    assert_eq!(
        read(directory.path(), chunk.next_offset, 1).unwrap().lines,
        []
    );
}

#[test]
fn truncated_output_ends_with_a_remark() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path(), 200, OnLimit::Truncate);
    for _ in 0..50 {
        writer.append(Timestamp::now(), Stream::Stdout, false, b"some words");
    }
    writer.flush();
    let chunk = read(directory.path(), 0, 1 << 20).unwrap();
    let last = chunk.lines.last().unwrap();
    assert_eq!(last.stream, Stream::Barq);
    assert_eq!(last.text, "the output ends here: its limit is 200 bytes");
    assert_eq!(
        chunk
            .lines
            .iter()
            .filter(|line| line.stream == Stream::Barq)
            .count(),
        1
    );
}

#[test]
fn a_torn_record_is_read_once_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(OUTPUT_FILE);
    std::fs::write(&path, format!("{}1000 o F one\n1000 e P t", header(0))).unwrap();
    let chunk = read(directory.path(), 0, 1).unwrap();
    assert_eq!(texts(&chunk.lines), ["one"]);
    std::fs::write(&path, format!("{}1000 o F one\n1000 e P two \n", header(0))).unwrap();
    let rest = read(directory.path(), chunk.next_offset, 1).unwrap();
    assert_eq!(texts(&rest.lines), ["two "]);
    assert!(rest.lines[0].partial);
}

#[test]
fn the_tail_is_the_last_lines_also_across_files_and_of_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(tail(directory.path(), 3).unwrap(), Chunk::default());
    let mut writer = writer(directory.path(), 300, OnLimit::Rotate);
    for number in 0..12 {
        writer.append(
            Timestamp::now(),
            Stream::Stdout,
            false,
            number.to_string().as_bytes(),
        );
        writer.flush();
    }
    assert_eq!(
        texts(&tail(directory.path(), 8).unwrap().lines),
        ["4", "5", "6", "7", "8", "9", "10", "11"]
    );
    assert_eq!(texts(&tail(directory.path(), 1).unwrap().lines), ["11"]);
}

#[test]
fn the_tail_of_much_output_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path(), 1 << 30, OnLimit::Rotate);
    let text = "y".repeat(1000);
    for number in 0..3000 {
        writer.append(
            Timestamp::now(),
            Stream::Stdout,
            false,
            format!("{number} {text}").as_bytes(),
        );
    }
    writer.flush();
    let chunk = tail(directory.path(), usize::MAX).unwrap();
    assert!(chunk.lines.len() > 900 && chunk.lines.len() < 1100);
    assert!(chunk.lines.last().unwrap().text.starts_with("2999 "));
    assert_eq!(
        read(directory.path(), chunk.next_offset, 1).unwrap().lines,
        []
    );
}

/// Output with `times` milliseconds, rotated or not.
fn timed(directory: &Path, bytes_max: u64, times: impl Iterator<Item = i64>) {
    let mut writer = writer(directory, bytes_max, OnLimit::Rotate);
    for (number, time) in times.enumerate() {
        let at = Timestamp::from_millisecond(time).unwrap();
        let text = format!("{number} {}", "z".repeat(number * 37 % 500));
        writer.append(at, Stream::Stdout, false, text.as_bytes());
        writer.flush();
    }
}

#[test]
fn lines_are_read_backwards_as_they_are_read_forwards() {
    for bytes_max in [1 << 30, 300_000, 40_000] {
        let directory = tempfile::tempdir().unwrap();
        timed(directory.path(), bytes_max, 0..2000);
        let all = read(directory.path(), 0, 1 << 30).unwrap();
        let mut backwards = Vec::new();
        let mut offset = u64::MAX;
        loop {
            let chunk = read_before(directory.path(), offset, 1).unwrap();
            if chunk.lines.is_empty() && chunk.next_offset == offset {
                break;
            }
            assert!(chunk.next_offset < offset, "it goes back");
            offset = chunk.next_offset;
            backwards.push(chunk.lines);
        }
        assert!(backwards.len() > 1, "in some parts");
        let lines: Vec<Line> = backwards.into_iter().rev().flatten().collect();
        assert_eq!(lines, all.lines);
        assert_eq!(end(directory.path()).unwrap(), all.next_offset);
        let third = &all.lines[2];
        let before = read_before(directory.path(), third.offset, 1).unwrap();
        assert_eq!(before.lines, all.lines[..2]);
    }
}

#[test]
fn a_moment_is_found_by_its_first_line() {
    for bytes_max in [1 << 30, 300_000] {
        let directory = tempfile::tempdir().unwrap();
        // Five lines each time, and none at odd ones.
        timed(directory.path(), bytes_max, (0..4000).map(|it| it / 5 * 2));
        let all = read(directory.path(), 0, 1 << 30).unwrap();
        for time in (0..1600).step_by(7).chain([i64::from(u32::MAX)]) {
            let moment = Timestamp::from_millisecond(time).unwrap();
            let first = all.lines.iter().find(|line| line.at >= moment);
            let expect = first.map_or(all.next_offset, |line| line.offset);
            assert_eq!(seek(directory.path(), moment).unwrap(), expect, "{time}");
        }
    }
}

#[test]
fn backwards_nothing_is_nothing_and_what_is_torn_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let moment = Timestamp::UNIX_EPOCH;
    assert_eq!(end(directory.path()).unwrap(), 0);
    assert_eq!(seek(directory.path(), moment).unwrap(), 0);
    let path = directory.path().join(OUTPUT_FILE);
    std::fs::write(&path, header(70)).unwrap();
    assert_eq!(end(directory.path()).unwrap(), 70);
    std::fs::write(&path, format!("{}1000 o F one\n1000 e P t", header(70))).unwrap();
    let chunk = read_before(directory.path(), u64::MAX, 1).unwrap();
    assert_eq!(texts(&chunk.lines), ["one"]);
    assert_eq!((chunk.next_offset, chunk.lines[0].offset), (70, 70));
    assert_eq!(end(directory.path()).unwrap(), 83);
}
