package eventlog

import (
	"encoding/hex"
	"html"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// clock reads the two times of a change of the system time.
func clock(m *maker) {
	old, now := m.get("OldTime"), m.get("NewTime")
	if old == "" {
		old = m.get("PreviousTime")
	}
	// The first version of 4616 has date and time in the words of the
	// machine's language; they stay as they are.
	if d := m.get("PreviousDate"); d != "" {
		old, now = d+" "+old, m.get("NewDate")+" "+now
	}
	m.put("old_time", old)
	m.put("new_time", now)
	a, err1 := time.Parse(time.RFC3339Nano, old)
	b, err2 := time.Parse(time.RFC3339Nano, now)
	if err1 == nil && err2 == nil {
		m.old, m.new = event.FromTime(a), event.FromTime(b)
	}
}

// cleared names the log that was emptied: in 104 another one than the log that
// tells it.
func cleared(m *maker) {
	m.cleared = true
	if m.field("cleared") == "" {
		m.put("cleared", m.channel)
	}
}

func defenderHistory(m *maker) { m.put("cleared", "Defender history") }

// object: what was asked for may be a file, a key or something else.
func object(m *maker) {
	name := m.get("ObjectName")
	switch strings.ToLower(m.get("ObjectType")) {
	case "file":
		m.setPath(name)
		// 4663: only the rights that were used. WriteData and AppendData
		// without ReadData is writing.
		if mask, err := strconv.ParseUint(m.get("AccessMask"), 0, 32); err == nil && m.id == 4663 && mask&1 == 0 && mask&6 != 0 {
			m.e.Action = event.Written
		}
	case "key":
		m.e.RegistryKey = registryPath(name)
	}
}

// failedStatus: where the second code says nothing, the first one does.
func failedStatus(m *maker) {
	if m.field("status") == "0x0" {
		m.put("status", m.get("Status"))
	}
}

// ticket: a code that is not success is a failure to log on.
func ticket(m *maker) {
	if s := m.field("status"); s != "" && s != "0x0" {
		m.e.Action = event.LogonFailed
	}
}

// serviceProgram finds the program in the command line of a service.
func serviceProgram(m *maker) { m.command(m.e.Program) }

func runEntry(m *maker) { m.command(m.field("command_line")) }

func (m *maker) command(line string) {
	program, launcher := artifact.Program(line)
	program, _, _ = strings.Cut(program, `"`) // run entries come without their first quote
	if program == "" {
		return
	}
	m.e.Program = program
	m.put("launcher", launcher)
	m.setPath(program)
}

// taskXML reads what a task starts out of its registration.
func taskXML(m *maker) {
	text := m.get("TaskContentNew")
	if text == "" {
		text = m.get("TaskContent")
	}
	if command := element(text, "Command"); command != "" {
		m.e.Program = command
		m.setPath(command)
		m.put("command_line", strings.TrimSpace(command+" "+element(text, "Arguments")))
	}
}

// element is the text of the first element of a name.
func element(text, name string) string {
	_, rest, ok := strings.Cut(text, "<"+name+">")
	if !ok {
		return ""
	}
	value, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(value))
}

// shareFile: the file on this machine is the share's folder with the name
// behind it.
func shareFile(m *maker) {
	local, name := m.get("ShareLocalPath"), m.get("RelativeTargetName")
	if local != "" && name != "" && name != `\` {
		m.setPath(strings.TrimRight(local, `\`) + `\` + strings.TrimLeft(name, `\`))
	}
}

// serviceState reads 7036: the state's name is in the machine's language, the
// binary part ends with "/4" (running) or "/1" (stopped).
func serviceState(m *maker) {
	state := ""
	if b, err := hex.DecodeString(m.get("Binary")); err == nil {
		for i := len(b) - 4; i >= 0; i -= 2 {
			if b[i] == '/' && b[i+1] == 0 {
				state = string(b[i+2 : i+3])
				break
			}
		}
	}
	if state == "" {
		state = map[string]string{"running": "4", "stopped": "1", "実行中": "4", "停止": "1"}[m.get("param2")]
	}
	switch state {
	case "4":
		m.e.Action = event.Started
	case "1":
		m.e.Action = event.Stopped
	}
}

// attached are the buses whose devices a person connects; all others are part
// of the machine, and their drivers are set up with Windows.
var attached = []string{"USB\\", "USBSTOR\\", "SWD\\WPDBUSENUM", "WPDBUSENUMROOT\\", "SCSI\\DISK", "BTHENUM\\", "SD\\", "1394\\"}

func pnp(m *maker) {
	device := strings.ToUpper(m.e.Device)
	for _, bus := range attached {
		if strings.HasPrefix(device, bus) {
			return
		}
	}
	m.e.Action = event.Installed
	if m.id == 410 { // at every start of Windows
		m.e.Action = event.Started
	}
}

// shutdown: the name of the machine stands behind the program.
func shutdown(m *maker) { m.e.Program, _, _ = strings.Cut(m.e.Program, " (") }

// partition 1006 without a capacity is the removal of the disk.
func partition(m *maker) {
	if c := m.get("Capacity"); c == "0" {
		m.e.Action = event.DeviceRemoved
	}
}

// pipeline reads the host's command line out of the context of 4103.
func pipeline(m *maker) {
	for line := range strings.Lines(m.get("ContextInfo")) {
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "Host Application":
			m.put("command_line", value)
		case "User":
			m.e.User = value
		case "Script Name":
			if value != "" {
				m.setPath(value)
			}
		}
	}
}

// classicPowerShell reads the details that stand as lines in one value.
func classicPowerShell(m *maker) {
	for _, text := range m.texts {
		if !strings.Contains(text, "HostApplication=") && !strings.Contains(text, "UserId=") {
			continue
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch name {
			case "HostApplication":
				m.put("command_line", value)
			case "UserId":
				m.e.User = value
			case "ScriptName":
				if value != "" {
					m.setPath(value)
				}
			}
		}
	}
}

// defenderPath takes the file out of a list like "file:_C:\a.exe;process:_…".
func defenderPath(m *maker) {
	m.e.Path = ""
	for item := range strings.SplitSeq(m.get("Path"), ";") {
		item = strings.TrimSpace(item)
		for _, kind := range []string{"file:_", "containerfile:_"} {
			if file, ok := strings.CutPrefix(item, kind); ok && m.e.Path == "" {
				file, _, _ = strings.Cut(file, "->") // a member of an archive
				m.setPath(file)
			}
		}
	}
}

// bitsBytes: all ones means that the server did not tell the length.
func bitsBytes(m *maker) {
	for _, name := range []string{"bytes", "bytes_total"} {
		if m.field(name) == "18446744073709551615" {
			m.slots[fieldOrder[name]] = event.Field{}
		}
	}
}

// hashes takes the SHA-256 out of Sysmon's list.
func hashes(m *maker) {
	for item := range strings.SplitSeq(m.field("hashes"), ",") {
		if v, ok := strings.CutPrefix(item, "SHA256="); ok && len(v) == 64 {
			m.e.SHA256 = strings.ToLower(v)
		}
	}
}

// sysmonPeer: the other machine is the destination where this one began.
func sysmonPeer(m *maker) {
	host, address, port := "SourceHostname", "SourceIp", "SourcePort"
	if m.get("Initiated") == "true" {
		host, address, port = "DestinationHostname", "DestinationIp", "DestinationPort"
		m.put("direction", "outbound")
	} else {
		m.put("direction", "inbound")
	}
	m.setHost(m.get(host))
	m.setAddress(m.get(address))
	m.bind("port", m.get(port))
}

func sysmonState(m *maker) {
	if m.field("state") == "Stopped" {
		m.e.Action = event.Stopped
	}
}

// sysmonKey: 12 tells in EventType what was done, and names of values stand
// behind their key.
func sysmonKey(m *maker) {
	kind := m.get("EventType")
	if strings.HasPrefix(kind, "Delete") {
		m.e.Action = event.Deleted
	}
	if strings.HasSuffix(kind, "Value") || kind == "Set Value" {
		if i := strings.LastIndexByte(m.e.RegistryKey, '\\'); i > 0 {
			m.e.RegistryKey, m.e.RegistryValue = m.e.RegistryKey[:i], m.e.RegistryKey[i+1:]
		}
	}
}
