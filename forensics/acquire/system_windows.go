package acquire

import (
	"errors"
	"syscall"
)

const isWindows = true

// diskFull knows Windows' own words: ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL.
func diskFull(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}
