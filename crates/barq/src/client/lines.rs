//! Reads an answer line by line, as it comes.

use futures::StreamExt as _;
use futures::stream::BoxStream;

/// The longest line that is taken, in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The lines of an answer's body.
pub struct Lines {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
    searched: usize,
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    /// A line does not end.
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
}

impl Lines {
    /// Of this answer.
    pub fn new(response: reqwest::Response) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            buffer: Vec::new(),
            searched: 0,
        }
    }

    /// The next line without its end; none at the body's end. Safe to drop while it waits.
    ///
    /// # Errors
    /// When the connection breaks or a line does not end.
    pub async fn next(&mut self) -> Result<Option<String>, LinesError> {
        loop {
            let unread = &self.buffer[self.searched..];
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()));
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_BYTES_MAX {
                return Err(LinesError::TooLong);
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => return Err(LinesError::Broken(error)),
                // A last line without an end was cut off.
                None => return Ok(None),
            }
        }
    }
}
