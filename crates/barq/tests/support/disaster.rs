//! The loss of a machine: all that is left is a backup.

use std::process::{Command, Output};

use super::{Barq, end, up};

impl Barq {
    /// Takes a backup, loses processes, instances and data, restores, and starts again on the same ports.
    pub(crate) async fn lose_all_but_a_backup(&mut self) {
        let backup = self.place().join("backup.tar");
        let backup = backup.to_str().expect("a path in UTF-8").to_owned();
        let taken = self.command(&["backup", &backup]);
        assert!(taken.status.success(), "{taken:?}");
        end(&mut self.up);
        std::fs::rename(self.data(), self.place().join("lost")).expect("moved away");
        let restored = self.command(&["restore", &backup]);
        assert!(restored.status.success(), "{restored:?}");
        let listen = self.server.replace("http://", "");
        let (up, _) = up(self.place(), &listen, &self.ingress);
        self.up = up;
        self.ready().await;
    }

    /// Runs a command of the CLI on this server and its data.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_barq"))
            .args(arguments)
            .env_remove("DATABASE_URL")
            .env_remove("BARQ_TOKEN")
            .env("BARQ_SERVER", &self.server)
            .env("BARQ_DATA", self.data())
            .output()
            .expect("run")
    }
}
