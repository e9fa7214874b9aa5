package evidence

import "fmt"

func (e *RangeError) Error() string {
	if len(e.Ranges) == 0 {
		return "unreadable range"
	}
	r := e.Ranges[0]
	s := fmt.Sprintf("%#x to %#x is %s", r.Off, r.Off+r.Len, r.Kind)
	if n := len(e.Ranges) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more ranges", n)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *RangeError) Unwrap() error { return e.Err }

// Offset is where the first bad range begins.
func (e *RangeError) Offset() int64 {
	if len(e.Ranges) == 0 {
		return 0
	}
	return e.Ranges[0].Off
}
