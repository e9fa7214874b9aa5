//go:build unix

package clitest

import (
	"os/exec"
	"syscall"
)

func fifo(name string) bool { return syscall.Mkfifo(name, 0o644) == nil }

// weaken runs a command as nobody.
func weaken(c *exec.Cmd) {
	const nobody = 65534
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
