//! From the pipes of a process to the output files.
//!
//! A process must never wait for barq nor die of it: its pipes are always emptied, also when the limit is reached or
//! the disk is full; what was dropped is counted and said in the output. It must not know when the process ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::files;
use crate::output::{self, LINE_BYTES_MAX, OUTPUT_FILE, OUTPUT_FILE_BEFORE, Stream};
use crate::spec::{OnLimit, OutputLimit};

/// Most that is read from a pipe at a time, in bytes: the size of a pipe.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Reads of one pipe before the others have their turn.
const READS_IN_TURN_MAX: usize = 16;

/// One pipe from the process and the start of a line that has not ended yet.
pub(crate) struct Source {
    pipe: Option<File>,
    stream: Stream,
    line: Vec<u8>,
}

impl Source {
    /// Takes over the reading end of a pipe.
    pub(crate) fn new(pipe: impl Into<OwnedFd>, stream: Stream) -> io::Result<Self> {
        let pipe: OwnedFd = pipe.into();
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self {
            pipe: Some(File::from(pipe)),
            stream,
            line: Vec::new(),
        })
    }

    /// To be polled; `None` once the pipe has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Moves what is in the pipe to the output, without waiting.
    pub(crate) fn pump(&mut self, output: &mut OutputWriter) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES_MAX];
        for _ in 0..READS_IN_TURN_MAX {
            let Some(pipe) = self.pipe.as_mut() else {
                return Ok(());
            };
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    self.finish(output);
                }
                Ok(length) => self.split(Timestamp::now(), &buffer[..length], output),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            output.flush();
        }
        Ok(())
    }

    /// Writes the last line if it has no end.
    pub(crate) fn finish(&mut self, output: &mut OutputWriter) {
        if !self.line.is_empty() {
            output.append(Timestamp::now(), self.stream, false, &self.line);
            self.line.clear();
        }
        output.flush();
    }

    fn split(&mut self, at: Timestamp, bytes: &[u8], output: &mut OutputWriter) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.line.extend_from_slice(text);
            while self.line.len() > LINE_BYTES_MAX {
                output.append(at, self.stream, true, &self.line[..LINE_BYTES_MAX]);
                self.line.drain(..LINE_BYTES_MAX);
            }
            if ended {
                output.append(at, self.stream, false, &self.line);
                self.line.clear();
            }
        }
    }
}

/// Writes records to the output files within their limit.
pub(crate) struct OutputWriter {
    directory: PathBuf,
    limit: OutputLimit,
    file: File,
    /// Position of the file's first record.
    base: u64,
    header_bytes: u64,
    /// Bytes of records in the file.
    written: u64,
    /// Records not yet written.
    pending: Vec<u8>,
    truncated: bool,
    lost_bytes: u64,
    lost_bytes_reported: u64,
}

impl OutputWriter {
    /// Creates the output file.
    pub(crate) fn create(directory: &Path, limit: OutputLimit) -> io::Result<Self> {
        let header = output::header(0);
        let file = create_file(&directory.join(OUTPUT_FILE), &header)?;
        Ok(Self {
            directory: directory.to_owned(),
            limit,
            file,
            base: 0,
            header_bytes: header.len() as u64,
            written: 0,
            pending: Vec::new(),
            truncated: false,
            lost_bytes: 0,
            lost_bytes_reported: 0,
        })
    }

    /// Whether records were dropped at the limit.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes that could not be written.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Adds a record; [`Self::flush`] writes it.
    pub(crate) fn append(&mut self, at: Timestamp, stream: Stream, partial: bool, text: &[u8]) {
        if self.truncated && self.limit.on_limit == OnLimit::Truncate {
            return;
        }
        let before = self.pending.len();
        output::encode(at, stream, partial, text, &mut self.pending);
        match self.limit.on_limit {
            OnLimit::Truncate
                if self.written + self.pending.len() as u64 > self.limit.bytes_max =>
            {
                self.pending.truncate(before);
                self.truncated = true;
                self.remark(&format!(
                    "the output ends here: its limit is {} bytes",
                    self.limit.bytes_max
                ));
            }
            OnLimit::Rotate
                if self.written + self.pending.len() as u64 > self.limit.bytes_max / 2 =>
            {
                let record = self.pending.split_off(before);
                self.flush();
                self.rotate();
                self.pending.extend_from_slice(&record);
            }
            OnLimit::Truncate | OnLimit::Rotate => {}
        }
    }

    /// Adds a remark of barq's own, beyond any limit.
    pub(crate) fn remark(&mut self, text: &str) {
        output::encode(
            Timestamp::now(),
            Stream::Barq,
            false,
            text.as_bytes(),
            &mut self.pending,
        );
    }

    /// Writes what was added; what cannot be written is dropped and counted.
    pub(crate) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.lost_bytes > self.lost_bytes_reported {
            self.remark(&format!(
                "{} bytes of output before this line could not be written",
                self.lost_bytes
            ));
        }
        let length = self.pending.len() as u64;
        match self.file.write_all(&self.pending) {
            Ok(()) => {
                self.written += length;
                self.lost_bytes_reported = self.lost_bytes;
            }
            Err(_) => {
                self.lost_bytes += length;
                // Half a record would swallow the next one. If even this fails, readers skip the damaged line.
                if self.file.set_len(self.header_bytes + self.written).is_err() {
                    self.lost_bytes_reported = 0;
                }
            }
        }
        self.pending.clear();
    }

    /// Begins a new file. If that fails the old one just grows on: output is worth more than its limit.
    fn rotate(&mut self) {
        let base = self.base + self.written;
        let header = output::header(base);
        let current = self.directory.join(OUTPUT_FILE);
        let new = self.directory.join("output.new");
        let rotate = || -> io::Result<File> {
            let file = create_file(&new, &header)?;
            fs::rename(&current, self.directory.join(OUTPUT_FILE_BEFORE))?;
            fs::rename(&new, &current)?;
            Ok(file)
        };
        if let Ok(file) = rotate() {
            self.file = file;
            self.truncated |= self.base > 0;
            self.base = base;
            self.header_bytes = header.len() as u64;
            self.written = 0;
        }
    }
}

fn create_file(path: &Path, header: &str) -> io::Result<File> {
    files::create(path)?;
    let mut file = OpenOptions::new()
        .append(true)
        .mode(files::FILE_MODE)
        .open(path)?;
    file.write_all(header.as_bytes())?;
    Ok(file)
}
