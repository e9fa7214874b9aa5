// Package taskjob reads .job files: scheduled tasks of Windows NT 4 to 2003,
// which later versions still run.
//
// Source: [MS-TSCH] 2.4. Read: the fixed part, all strings, user and reserved
// data, triggers. The signature is kept as bytes and not checked: its key lies
// on the machine.
//
// All times are local to the machine; they leave as FILETIME ticks of that
// local time.
package taskjob

import (
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a job; offsets in it have sixteen bits.
const MaxSize = 1 << 20

// GUID is an identifier as Windows stores it.
type GUID = guid.GUID

// Flags of Job.Flags that change whether and how it runs ([MS-TSCH] 2.4.1).
const (
	FlagInteractive = 1 << 0
	FlagDeleteDone  = 1 << 1
	FlagDisabled    = 1 << 2
	FlagHidden      = 1 << 9
)

// Job is a task.
type Job struct {
	Product     uint16 // 0x0400 NT 4, 0x0501 XP, 0x0601 7 …: an approximation
	Format      uint16
	ID          GUID
	Retries     uint16
	RetryMins   uint16
	IdleMins    uint16 // deadline
	IdleWait    uint16
	Priority    uint32
	MaxRunMs    uint32
	ExitCode    uint32 // of the last run
	Status      uint32 // 0x41300 ready, 0x41301 running, 0x41303 has not run
	Flags       uint32
	LastRun     uint64 // local time as FILETIME ticks, 0 is never
	Instances   uint16
	Application string
	Parameters  string
	WorkingDir  string
	Author      string
	Comment     string
	UserData    []byte
	StartError  uint32 // HRESULT of the last attempt to start
	Triggers    []Trigger
	Signature   []byte
	Damage      []error
}

// Trigger is when the task starts.
type Trigger struct {
	Start        uint64 // local time as FILETIME ticks
	End          uint64 // first moment after the last day, 0 is none
	DurationMins uint32
	IntervalMins uint32
	Flags        uint32 // 1 has an end, 2 killed at the end, 4 disabled
	Type         uint32 // 0 once, 1 daily, 2 weekly, 3 monthly, 4 by day of week, 5 idle, 6 system start, 7 logon
	Specific     [3]uint16
}

// Parse reads a job.
func Parse(b []byte) (*Job, error) {
	if len(b) > MaxSize {
		return nil, cursor.Errorf(MaxSize, "%d bytes are more than a job has", len(b))
	}
	c := cursor.New(b)
	j := &Job{Product: c.U16("product version"), Format: c.U16("format version")}
	j.ID = guid.From(c.Take(16, "job identifier"))
	c.Skip(2, "offset of application")
	triggers := c.U16("offset of triggers")
	j.Retries, j.RetryMins, j.IdleMins, j.IdleWait = c.U16("retries"), c.U16("retry interval"), c.U16("idle deadline"), c.U16("idle wait")
	j.Priority, j.MaxRunMs, j.ExitCode, j.Status, j.Flags = c.U32("priority"), c.U32("run time"), c.U32("exit code"), c.U32("status"), c.U32("flags")
	j.LastRun = systemTime(c)
	if c.Err() != nil {
		return nil, c.Err()
	}
	if j.Format != 1 {
		return nil, cursor.Errorf(2, "format version %d of a job is not known", j.Format)
	}
	j.Instances = c.U16("instances")
	for _, s := range []*string{&j.Application, &j.Parameters, &j.WorkingDir, &j.Author, &j.Comment} {
		*s = utf16.CString(c.Take(2*int(c.U16("size of string")), "string"))
	}
	j.UserData = c.Take(int(c.U16("size of user data")), "user data")
	if n := int(c.U16("size of reserved data")); n > 0 {
		r := cursor.New(c.Take(n, "reserved data"))
		j.StartError = r.U32("start error")
	}
	if c.Err() == nil && c.Off() != int(triggers) {
		j.Damage = append(j.Damage, cursor.Errorf(c.Pos(), "strings end here, triggers begin at %d", triggers))
		c.Seek(int(triggers), "triggers")
	}
	for range c.U16("number of triggers") {
		t := trigger(c)
		if c.Err() != nil {
			break
		}
		j.Triggers = append(j.Triggers, t)
	}
	if c.Err() == nil && c.Left() >= 4 {
		c.Skip(4, "signature header")
		j.Signature = c.Take(c.Left(), "signature")
	}
	if c.Err() != nil {
		j.Damage = append(j.Damage, c.Err())
	}
	return j, nil
}

// systemTime reads a SYSTEMTIME.
func systemTime(c *cursor.Cursor) uint64 {
	y, m := c.U16("year"), c.U16("month")
	c.Skip(2, "weekday")
	d, h, min, s, ms := c.U16("day"), c.U16("hour"), c.U16("minute"), c.U16("second"), c.U16("millisecond")
	t := filetime.FromCivil(int(y), int(m), int(d), int(h), int(min), int(s))
	if t != 0 && ms < 1000 {
		t += uint64(ms) * 10000
	}
	return t
}

const triggerSize = 48

func trigger(c *cursor.Cursor) (t Trigger) {
	at := c.Off()
	size := int(c.U16("size of trigger"))
	if c.Err() == nil && size < triggerSize {
		c.Fail("trigger of %d bytes", size)
	}
	c.Skip(2, "trigger")
	by, bm, bd := c.U16("begin"), c.U16("begin"), c.U16("begin")
	ey, em, ed := c.U16("end"), c.U16("end"), c.U16("end")
	h, min := c.U16("start"), c.U16("start")
	t.Start = filetime.FromCivil(int(by), int(bm), int(bd), int(h), int(min), 0)
	if t.End = filetime.FromCivil(int(ey), int(em), int(ed), 0, 0, 0); t.End != 0 {
		t.End += 24 * 3600 * 10000000
	}
	t.DurationMins, t.IntervalMins = c.U32("duration"), c.U32("interval")
	t.Flags, t.Type = c.U32("flags"), c.U32("type")
	for i := range t.Specific {
		t.Specific[i] = c.U16("trigger")
	}
	if c.Err() == nil {
		c.Seek(at+size, "end of trigger")
	}
	return t
}
