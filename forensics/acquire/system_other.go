//go:build !windows

package acquire

import (
	"errors"
	"syscall"
)

const isWindows = false

// diskFull knows a user's quota too.
func diskFull(err error) bool { return errors.Is(err, syscall.EDQUOT) }
