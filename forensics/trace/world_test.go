package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
)

// A small world that is made by hand: the story of a lure on Windows 7, and
// the innocent twins of what happens in it.

var day = time.Date(2011, 8, 24, 0, 0, 0, 0, time.UTC)

func clock(days int, hms string) event.Ticks {
	t, err := time.Parse("15:04:05", hms)
	if err != nil {
		panic(err)
	}
	// Not a whole second: NTFS keeps 100 ns.
	return event.FromTime(day.AddDate(0, 0, days).Add(time.Duration(t.Hour())*time.Hour+time.Duration(t.Minute())*time.Minute+time.Duration(t.Second())*time.Second)) + 1234567
}

const (
	sato    = "S-1-5-21-1-2-3-1000"
	kanri   = "S-1-5-21-1-2-3-1001"
	lure    = "Users/sato/Desktop/資料/会議資料\u202efdp.exe"
	msupd   = "Users/sato/AppData/Roaming/msupd.exe"
	zipPath = "Users/sato/AppData/Local/Microsoft/Windows/Temporary Internet Files/Content.Outlook/7K2QX9WM/資料.zip"
	rarPath = "Users/sato/AppData/Local/Temp/~tmp4.rar"
	c2      = "198.51.100.23"
	mailID  = "<1@mofa-jp.example>"
)

// made is content kept in memory.
type made struct {
	data     map[string]string // by path
	gone     map[string]bool   // deleted and overwritten
	programs map[string]*Program
	members  map[string][]Member
}

func (m *made) Digest(_ context.Context, f *File) (Digest, error) {
	if m.gone[f.Path] {
		return Digest{Size: f.Size}, ErrGone
	}
	d := m.data[f.Path]
	s := sha256.Sum256([]byte(d))
	return Digest{SHA256: hex.EncodeToString(s[:]), CRC32: crc32.ChecksumIEEE([]byte(d)), Size: int64(len(d)), Whole: true}, nil
}

func (m *made) Program(_ context.Context, f *File) (*Program, error) {
	if m.gone[f.Path] {
		return nil, ErrGone
	}
	return m.programs[f.Path], nil
}

func (m *made) Members(_ context.Context, f *File) ([]Member, error) { return m.members[f.Path], nil }

func (m *made) Holds(_ context.Context, f *File, name string) (bool, error) {
	return strings.Contains(strings.ToLower(m.data[f.Path]), strings.ToLower(name)), nil
}

// maker builds a world.
type maker struct {
	w     *World
	c     *made
	entry uint64
	n     int
}

func newMaker(version, product string) *maker {
	c := &made{map[string]string{}, map[string]bool{}, map[string]*Program{}, map[string][]Member{}}
	return &maker{c: c, entry: 100, w: &World{
		Machine: &artifact.Machine{Name: "PC-0231", Product: product, Version: version, Users: map[string]artifact.User{
			sato: {Name: "sato", Profile: "Users/sato"}, kanri: {Name: "kanri", Profile: "Users/kanri"}}},
		Content: c, From: clock(-500, "01:00:00"),
		Families: map[string]artifact.Family{
			"execution/prefetch": artifact.FamilyPrefetch, "execution/userassist": artifact.FamilyShell, "eventlog/evtx": artifact.FamilyEventLog,
			"persistence/run": artifact.FamilySetting, "persistence/task": artifact.FamilyScheduler, "filesystem/mft": artifact.FamilyNTFS,
			"filesystem/usn": artifact.FamilyNTFS, "network/proxy": artifact.FamilyNetwork, "mail/msg": artifact.FamilyMail,
			"device/avlog": artifact.FamilyAntivirus, "browser/firefox": artifact.FamilyBrowser, "filesystem/zoneidentifier": artifact.FamilyNTFS},
	}}
}

func (m *maker) event(e event.Event) *event.Event {
	m.n++
	e.At.Exhibit = "pc"
	if e.At.Volume == 0 {
		e.At.Volume = 1
	}
	e.At.Offset = int64(m.n)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s %s %d %s %s", e.Artifact, e.Meaning, e.Path, e.Program, e.RegistryKey, e.Ticks, e.RegistryValue, e.Message))
	copy(e.ID[:], sum[:])
	m.w.Records = append(m.w.Records, &e)
	return &e
}

// file puts a file on the disk, with the rows that NTFS keeps of it.
func (m *maker) file(path, data string, born event.Ticks) *File {
	m.entry++
	t := Times{born, born, born, born}
	f := &File{Exhibit: "pc", Volume: 1, Entry: m.entry, Sequence: 1, Path: path, Key: Key(path, nil, ""), Size: int64(len(data)), SI: t, FN: t}
	m.c.data[path] = data
	m.w.Files = append(m.w.Files, f)
	m.event(event.Event{Artifact: "filesystem/mft", Action: event.Created, Meaning: "$SI ....  $FN ...b", MACB: event.FNBorn, Ticks: born, Path: path, Entry: f.Entry, Sequence: 1})
	m.change(f, born, event.Created, "FILE_CREATE")
	return f
}

func (m *maker) change(f *File, t event.Ticks, a event.Action, reason string) {
	m.event(event.Event{Artifact: "filesystem/usn", Action: a, Meaning: reason, Ticks: t, Path: f.Path, Entry: f.Entry, Sequence: 1, Fields: []event.Field{event.Hex("reason_flags", flags[reason])}})
}

var flags = map[string]uint32{"FILE_CREATE": 0x100, "BASIC_INFO_CHANGE": 0x8000, "FILE_DELETE|CLOSE": 0x80000200}

// gone deletes a file; its clusters stay its own.
func (m *maker) gone(f *File, t event.Ticks) {
	m.change(f, t, event.Deleted, "FILE_DELETE|CLOSE")
	f.Deleted = true
}

func (m *maker) ran(path string, t event.Ticks, files ...string) {
	m.event(event.Event{Artifact: "execution/prefetch", Action: event.Executed, Meaning: "last run", Ticks: t,
		Program: `\DEVICE\HARDDISKVOLUME1\` + strings.ToUpper(strings.ReplaceAll(path, "/", `\`)), Fields: []event.Field{event.List("files", files)}})
}

func (m *maker) launched(path string, t event.Ticks, sid string) {
	m.event(event.Event{Artifact: "execution/userassist", Action: event.Executed, Meaning: "last run", Ticks: t, UserSID: sid,
		Program: `C:\` + strings.ReplaceAll(path, "/", `\`), Fields: []event.Field{event.Int("count", 1)}})
}

func (m *maker) runKey(name, path string, t event.Ticks, sid string) {
	m.event(event.Event{Artifact: "persistence/run", Action: event.Persisted, Meaning: "key last written", Ticks: t, UserSID: sid,
		RegistryKey: `HKU\` + sid + `\Software\Microsoft\Windows\CurrentVersion\Run`, RegistryValue: name, Program: `"C:\` + strings.ReplaceAll(path, "/", `\`) + `"`})
}

func (m *maker) task(name, path string, t event.Ticks) {
	e := m.event(event.Event{Artifact: "persistence/task", Action: event.Persisted, Meaning: "registered", Ticks: t, Program: `C:\` + strings.ReplaceAll(path, "/", `\`), Message: name})
	e.Source = "Windows/System32/Tasks/" + name
}

func (m *maker) program(path string, s Signature) *Program {
	p := &Program{Signature: s}
	m.c.programs[path] = p
	return p
}

func member(name, data string) Member {
	s := sha256.Sum256([]byte(data))
	return Member{Name: name, Size: int64(len(data)), CRC32: crc32.ChecksumIEEE([]byte(data)), HasCRC: true, SHA256: hex.EncodeToString(s[:])}
}

func sealed(name, data string) Member {
	m := member(name, data)
	m.SHA256, m.Encrypted = "", true
	return m
}

// mailed puts a message with one attachment into the client's store.
func (m *maker) mailed(t event.Ticks, subject, attachment, data string, members ...Member) {
	s := sha256.Sum256([]byte(data))
	m.event(event.Event{Artifact: "mail/msg", Source: "Users/sato/Desktop/mail.msg", Action: event.MailReceived, Meaning: "received", Ticks: t, Mail: "press@mofa-jp.example",
		Fields: []event.Field{event.Str("message_id", mailID), event.Str("subject", subject)}})
	var list []string
	for _, x := range members {
		list = append(list, fmt.Sprintf(`{"name":%q,"size":%d,"crc32":"0x%08x","encrypted":%v}`, x.Name, x.Size, x.CRC32, x.Encrypted))
	}
	m.event(event.Event{Artifact: "mail/msg", Source: "Users/sato/Desktop/mail.msg", Action: event.MailReceived, Meaning: "attachment", Ticks: t, Mail: "press@mofa-jp.example", SHA256: hex.EncodeToString(s[:]), Path: attachment,
		Fields: []event.Field{event.Str("message_id", mailID), event.Str("attachment", attachment), event.Int("size", len(data)), event.Raw("members", "["+strings.Join(list, ",")+"]")}})
}

func (m *maker) cover(name string, h coverage.History, s coverage.State, from, to event.Ticks) {
	m.w.Coverage = append(m.w.Coverage, coverage.Fact{Artifact: name, At: locator.Locator{Exhibit: "pc", Volume: 1}, History: h, State: s, From: from, To: to})
}

// story is the lure: mail, archive, program, drop, two start places, packing,
// deletion, and an innocent user beside it.
func story(version, product string) *maker {
	m := newMaker(version, product)
	lureData, dropData := "MZ lure msupd.exe", "MZ drop 198.51.100.23 ~tmp%d.rar"
	m.mailed(clock(0, "00:29:41"), "会議資料の件", "資料.zip", "zip bytes", sealed("会議資料\u202efdp.exe", lureData))
	z := m.file(zipPath, "zip bytes", clock(0, "00:30:22"))
	m.c.members[zipPath] = []Member{sealed("会議資料\u202efdp.exe", lureData)}
	_ = z
	m.file(lure, lureData, clock(0, "00:30:49"))
	m.program(lure, SurelyUnsigned)
	m.launched(lure, clock(0, "00:31:07"), sato)
	m.ran(lure, clock(0, "00:31:07"), `\DEVICE\HARDDISKVOLUME1\USERS\SATO\APPDATA\ROAMING\MSUPD.EXE`)
	d := m.file(msupd, dropData, clock(0, "00:31:09"))
	d.SI = Times{event.FromTime(time.Date(2009, 7, 14, 1, 14, 22, 0, time.UTC)), event.FromTime(time.Date(2009, 7, 14, 1, 14, 22, 0, time.UTC)), clock(0, "00:31:10"), 0}
	m.change(d, clock(0, "00:31:12"), event.MetadataChanged, "BASIC_INFO_CHANGE")
	p := m.program(msupd, SurelyUnsigned)
	p.Hosts = []string{c2}
	m.runKey("msupd", msupd, clock(0, "00:31:10"), sato)
	m.task("Microsoft Update Helper", msupd, clock(0, "00:31:11"))
	m.ran(msupd, clock(2, "00:10:04"))
	var packed []Member
	for i := range 5 {
		name := fmt.Sprintf("条約/文書%d.doc", i)
		data := fmt.Sprintf("document %d %s", i, strings.Repeat("x", i*100))
		m.file(name, data, clock(-100+i, "03:00:00"))
		x := member(`条約\`+fmt.Sprintf("文書%d.doc", i), data)
		if i == 4 { // its content is overwritten in the archive
			x.SHA256 = ""
		}
		packed = append(packed, x)
	}
	r := m.file(rarPath, strings.Repeat("r", 4000), clock(2, "17:21:55"))
	m.c.members[rarPath] = packed
	m.gone(r, clock(2, "17:58:12"))
	m.event(event.Event{Artifact: "eventlog/evtx", Action: event.Cleared, Meaning: "record written", Ticks: clock(4, "19:40:07"), User: "sato", UserSID: sato,
		Fields: []event.Field{event.Str("provider", "Microsoft-Windows-Eventlog"), event.Str("event_id", "1102"), event.Str("cleared", "Security")}})
	m.innocent()
	return m
}

// innocent is what must not be blamed: a chat client in AppData that starts by
// itself and talks to its own host, holiday photos packed by their owner, an
// installer that deletes itself, files with odd times out of an archive, an
// administrator's tool.
func (m *maker) innocent() {
	chat := "Users/sato/AppData/Local/Chat/chat.exe"
	m.file(chat, "MZ chat chat.example", clock(-60, "02:00:00"))
	m.program(chat, SurelyUnsigned).Hosts = []string{"chat.example"}
	m.c.programs[chat].Packed = true
	m.runKey("Chat", chat, clock(-60, "02:00:05"), sato)
	m.ran(chat, clock(1, "00:05:00"))
	m.event(event.Event{Artifact: "browser/firefox", Action: event.ReadOrOpened, Meaning: "visited", Ticks: clock(1, "01:00:00"), URL: "http://chat.example/help"})

	m.file("Users/sato/Pictures/旅行.zip", "photos", clock(1, "10:00:00"))
	m.c.members["Users/sato/Pictures/旅行.zip"] = []Member{member("p1.jpg", "picture 1"), member("p2.jpg", "picture 2")}
	m.file("Users/sato/Pictures/p1.jpg", "picture 1", clock(-3, "10:00:00"))
	m.file("Users/sato/Pictures/p2.jpg", "picture 2", clock(-3, "10:00:01"))

	setup := m.file("Users/sato/Downloads/setup.exe", "MZ setup", clock(-5, "04:00:00"))
	m.program("Users/sato/Downloads/setup.exe", SurelyUnsigned).Packed = true
	m.ran("Users/sato/Downloads/setup.exe", clock(-5, "04:01:00"))
	m.event(event.Event{Artifact: "registry/uninstall", Action: event.Installed, Meaning: "key last written", Ticks: clock(-5, "04:02:00")})
	m.gone(setup, clock(-5, "04:03:00"))

	for i := range 6 {
		path := fmt.Sprintf("Users/sato/Documents/tool/t%d.exe", i)
		f := m.file(path, fmt.Sprintf("MZ tool %d", i), clock(-4, "05:00:00")+event.Ticks(i*1000))
		old := event.FromTime(time.Date(2008, 5, 6, 7, 8, 10, 0, time.UTC))
		f.SI.Born, f.SI.Modified = old, old
		m.program(path, SurelyUnsigned)
	}
	psexec := "Windows/PSEXESVC.EXE"
	m.file(psexec, "MZ psexec", clock(3, "06:00:00"))
	m.program(psexec, DigestAgrees)
	m.ran(psexec, clock(3, "06:00:01"))
}
