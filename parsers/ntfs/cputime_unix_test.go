//go:build unix

package ntfs

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used: on a busy machine the clock on the
// wall says nothing.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
