//! The output of a process as a file of lines, and its reader.
//!
//! A file begins with `#barq-output 1 <base>`, the base being the position of its first line if all output ever written
//! were in one file. So positions go on through a rotation, and a reader notices what was dropped before it came. Then
//! one record a line:
//!
//! ```text
//! 1732310000000 o F listening on port 8080
//! └ Unix milliseconds  └ F: the line ends here, P: it goes on in the next record of the same stream
//!               └ stream: o standard output, e standard error, b barq itself
//! ```
//!
//! The file holds the bytes as they came, whatever they are; the reader shows what is not UTF-8 as U+FFFD. Records are
//! at most [`LINE_BYTES_MAX`] long, longer lines are split into `P` records. A torn last record is not read until it
//! is whole.
//!
//! It must not know who wrote the lines, nor whether more will come: whoever follows asks again from `next_offset`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The current output file in a shim's directory.
pub const OUTPUT_FILE: &str = "output";
/// The file before it, where output is rotated.
pub const OUTPUT_FILE_BEFORE: &str = "output.1";
/// Longest text of one record, in bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Least that a read asks for, in bytes: room for a record of any length.
const READ_BYTES_MIN: usize = 2 * LINE_BYTES_MAX;
/// Most that [`tail`] looks at, in bytes.
const TAIL_BYTES_MAX: u64 = 1024 * 1024;
/// What [`seek`] reads through in the end, in bytes.
const SEEK_BYTES: u64 = 64 * 1024;
/// Most bytes of a header.
const HEADER_BYTES_MAX: usize = 64;
const HEADER_PREFIX: &str = "#barq-output 1 ";

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Barq's own remark.
    Barq,
}

/// One record of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The position at which it begins.
    pub offset: u64,
    /// When it was read from the process.
    pub at: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// The line goes on in the next record of the same stream.
    pub partial: bool,
    /// The text, without its end of line.
    pub text: String,
}

/// What was there at a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The lines, in the order in which they came.
    pub lines: Vec<Line>,
    /// Where to go on reading.
    pub next_offset: u64,
    /// Bytes between the position asked for and the first line which are no longer kept.
    pub skipped_bytes: u64,
}

/// Output that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be read", path.display())]
pub struct OutputError {
    path: PathBuf,
    source: io::Error,
}

/// Reads whole lines from a position (0: from the start), about `bytes_max` of them. No lines: nothing new is there.
pub fn read(directory: &Path, offset: u64, bytes_max: usize) -> Result<Chunk, OutputError> {
    let mut chunk = Chunk {
        next_offset: offset,
        ..Chunk::default()
    };
    let mut left = bytes_max.max(READ_BYTES_MIN);
    for mut segment in segments(directory)? {
        if segment.end <= chunk.next_offset || left == 0 {
            continue;
        }
        if segment.base > chunk.next_offset {
            chunk.skipped_bytes += segment.base - chunk.next_offset;
            chunk.next_offset = segment.base;
        }
        let bytes = segment.read(chunk.next_offset, left)?;
        left = left.saturating_sub(bytes.len().max(1));
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |position| position + 1);
        chunk
            .lines
            .extend(lines(&bytes[..whole], chunk.next_offset));
        chunk.next_offset += whole as u64;
        if chunk.next_offset < segment.end {
            break;
        }
    }
    Ok(chunk)
}

/// The last lines, at most `lines_max` and at most 1 MiB of them; `next_offset` is the end.
pub fn tail(directory: &Path, lines_max: usize) -> Result<Chunk, OutputError> {
    let segments = segments(directory)?;
    let end = segments.last().map_or(0, |segment| segment.end);
    let first = segments.first().map_or(0, |segment| segment.base);
    let start = end.saturating_sub(TAIL_BYTES_MAX).max(first);
    // The window may begin within a line; what comes before its first end of line does not parse, or is cut off below.
    let mut chunk = read(directory, start, TAIL_BYTES_MAX as usize)?;
    let cut_line = usize::from(start > first);
    let surplus = chunk
        .lines
        .len()
        .saturating_sub(lines_max)
        .max(cut_line.min(chunk.lines.len()));
    chunk.lines.drain(..surplus);
    chunk.skipped_bytes = 0;
    Ok(chunk)
}

/// Reads whole lines that end at or before a position ([`u64::MAX`]: the end), about `bytes_max` of them. `next_offset` is
/// where to go on, further back; no lines and the same position: nothing older is kept.
pub fn read_before(directory: &Path, offset: u64, bytes_max: usize) -> Result<Chunk, OutputError> {
    let mut segments = segments(directory)?;
    segments.retain(|segment| segment.base < offset);
    let Some(mut segment) = segments.pop() else {
        return Ok(Chunk {
            next_offset: offset,
            ..Chunk::default()
        });
    };
    let end = offset.min(segment.end);
    let length = bytes_max.max(READ_BYTES_MIN);
    let start = end.saturating_sub(length as u64).max(segment.base);
    let length = usize::try_from(end - start).unwrap_or(length);
    let bytes = segment.read(start, length)?;
    // Where no line is whole there is only damage: that is passed over.
    let (first, last) = whole_lines(&bytes, start == segment.base).unwrap_or((0, 0));
    Ok(Chunk {
        lines: lines(&bytes[first..last], start + first as u64).collect(),
        next_offset: start + first as u64,
        skipped_bytes: 0,
    })
}

/// The position after the last whole line.
pub fn end(directory: &Path) -> Result<u64, OutputError> {
    let mut offset = u64::MAX;
    loop {
        let chunk = read_before(directory, offset, READ_BYTES_MIN)?;
        if let Some(last) = chunk.lines.last() {
            return Ok(read(directory, last.offset, READ_BYTES_MIN)?.next_offset);
        }
        if chunk.next_offset == offset {
            return Ok(if offset == u64::MAX { 0 } else { offset });
        }
        offset = chunk.next_offset;
    }
}

/// The position of the first line that is not older than a moment, found by halving: lines are in the order of their times,
/// but where the clock was put back.
pub fn seek(directory: &Path, moment: Timestamp) -> Result<u64, OutputError> {
    let segments = segments(directory)?;
    let mut low = segments.first().map_or(0, |segment| segment.base);
    let mut high = segments.last().map_or(0, |segment| segment.end);
    while high - low > SEEK_BYTES {
        let middle = low + (high - low) / 2;
        // The middle is within a line, which does not parse or is cut off.
        let chunk = read(directory, middle, READ_BYTES_MIN)?;
        let Some(line) = chunk.lines.get(1).filter(|line| line.offset < high) else {
            break;
        };
        match line.at < moment {
            true => low = line.offset,
            false => high = middle.max(low + 1),
        }
    }
    let mut found = low;
    loop {
        let chunk = read(directory, found, SEEK_BYTES as usize)?;
        if let Some(line) = chunk.lines.iter().find(|line| line.at >= moment) {
            return Ok(line.offset);
        }
        if chunk.next_offset == found {
            return Ok(found);
        }
        found = chunk.next_offset;
    }
}

/// Adds a remark of barq's own to the output of a shim that has ended (a running one writes by itself).
pub fn remark(directory: &Path, text: &str) -> Result<(), OutputError> {
    let path = directory.join(OUTPUT_FILE);
    let mut record = Vec::new();
    encode(
        Timestamp::now(),
        Stream::Barq,
        false,
        text.as_bytes(),
        &mut record,
    );
    let append =
        || io::Write::write_all(&mut OpenOptions::new().append(true).open(&path)?, &record);
    append().map_err(|source| OutputError {
        path: path.clone(),
        source,
    })
}

/// The header of a file that begins at this position.
pub(crate) fn header(base: u64) -> String {
    format!("{HEADER_PREFIX}{base}\n")
}

/// Appends one record to a buffer.
pub(crate) fn encode(
    at: Timestamp,
    stream: Stream,
    partial: bool,
    text: &[u8],
    buffer: &mut Vec<u8>,
) {
    let stream = match stream {
        Stream::Stdout => 'o',
        Stream::Stderr => 'e',
        Stream::Barq => 'b',
    };
    let tag = if partial { 'P' } else { 'F' };
    let written = io::Write::write_fmt(
        buffer,
        format_args!("{} {stream} {tag} ", at.as_millisecond()),
    );
    written.expect("memory takes any bytes");
    buffer.extend_from_slice(text);
    buffer.push(b'\n');
}

/// The lines in a part of a file that begins at a position; what is damaged is left out.
fn lines(bytes: &[u8], offset: u64) -> impl Iterator<Item = Line> {
    let records = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut begins_at = offset;
    records.filter_map(move |record| {
        let offset = begins_at;
        begins_at += record.len() as u64;
        parse(record, offset)
    })
}

fn parse(record: &[u8], offset: u64) -> Option<Line> {
    let record = record.strip_suffix(b"\n")?;
    let mut fields = record.splitn(4, |byte| *byte == b' ');
    let milliseconds: i64 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let stream = match fields.next()? {
        b"o" => Stream::Stdout,
        b"e" => Stream::Stderr,
        b"b" => Stream::Barq,
        _ => return None,
    };
    let partial = match fields.next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    let text = String::from_utf8_lossy(fields.next()?).into_owned();
    Some(Line {
        offset,
        at: Timestamp::from_millisecond(milliseconds).ok()?,
        stream,
        partial,
        text,
    })
}

/// The positions of the first byte and after the last one that make up whole lines.
fn whole_lines(bytes: &[u8], begins_with_line: bool) -> Option<(usize, usize)> {
    let ends = |byte: &u8| *byte == b'\n';
    let end = bytes.iter().rposition(ends)? + 1;
    let start = match begins_with_line {
        true => 0,
        false => bytes.iter().position(ends)? + 1,
    };
    (start < end).then_some((start, end))
}

/// One output file, opened, so that a rotation cannot change it meanwhile.
struct Segment {
    path: PathBuf,
    file: File,
    header_bytes: u64,
    base: u64,
    end: u64,
}

impl Segment {
    fn open(path: PathBuf) -> Result<Option<Self>, OutputError> {
        match Self::try_open(&path) {
            Ok(segment) => Ok(segment),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OutputError { path, source }),
        }
    }

    fn try_open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut start = Vec::with_capacity(HEADER_BYTES_MAX);
        file.by_ref()
            .take(HEADER_BYTES_MAX as u64)
            .read_to_end(&mut start)?;
        let Some(header_bytes) = start
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1)
        else {
            return Ok(None);
        };
        let base = std::str::from_utf8(&start[..header_bytes])
            .ok()
            .and_then(|header| header.strip_prefix(HEADER_PREFIX)?.trim().parse().ok())
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "it has no header of barq's")
            })?;
        let header_bytes = header_bytes as u64;
        let end = base + file.metadata()?.len().saturating_sub(header_bytes);
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            header_bytes,
            base,
            end,
        }))
    }

    fn read(&mut self, offset: u64, bytes_max: usize) -> Result<Vec<u8>, OutputError> {
        let position = self.header_bytes + (offset - self.base);
        let mut bytes = Vec::new();
        let mut read = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(position))?;
            let length = (bytes_max as u64).min(self.end - offset);
            self.file.by_ref().take(length).read_to_end(&mut bytes)?;
            Ok(())
        };
        read().map_err(|source| OutputError {
            path: self.path.clone(),
            source,
        })?;
        Ok(bytes)
    }
}

/// The files that there are, oldest first. The current one is opened first: if it is rotated in between, the older one
/// is the same file, or a newer one, never one that leaves a gap unnoticed.
fn segments(directory: &Path) -> Result<Vec<Segment>, OutputError> {
    let current = Segment::open(directory.join(OUTPUT_FILE))?;
    let before = Segment::open(directory.join(OUTPUT_FILE_BEFORE))?;
    let mut segments: Vec<Segment> = before.into_iter().chain(current).collect();
    segments.sort_by_key(|segment| segment.base);
    segments.dedup_by_key(|segment| segment.base);
    Ok(segments)
}

#[cfg(test)]
mod tests;
