package registry

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// Settings are the values that say what this Windows is, and what it recorded
// and what not. Each is a fact; those that switch a source on or off are
// coverage facts of that source too.
var Settings = artifact.Spec{
	Name:   "registry/settings",
	Title:  "Settings of Windows and of its records",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem, artifact.HiveSoftware, artifact.HiveSecurity, artifact.HiveUser),
	Loose:  artifact.LooseHive(artifact.HiveSystem, artifact.HiveSoftware, artifact.HiveSecurity, artifact.HiveUser),
	Fields: []string{"setting", "value", "means", "about", "control_set", "current_set", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "The setting stands so since its key was written last, or since before.",
		NotProven: "Since when exactly, and what stood there before: the key's last write is the latest time at which any of its values changed. That the setting was obeyed.",
		Clock:     "System UTC, 100 ns (FILETIME of the key); the time of installation has whole seconds.",
		Retention: "Until changed.",
		Switches:  "None.",
		Source:    "Microsoft Learn, the pages of the single settings; [MS-GPAC] 2.2.1.4 for the categories of audit; ANCHORS 4a to 4f for what each one switches.",
	},
	Read: readSettings,
}

// sense turns a number into what it means, and into the history of the source
// that it is about.
type sense func(n uint64) (means string, history coverage.History)

// switches: the values, what they are about, and how to read them.
var switches = []struct {
	kind   artifact.HiveKind
	key    string
	values string // parted by |
	about  string // the artifact that it switches, "" for none
	sense  sense
}{
	{artifact.HiveSystem, `CCS\Control\Session Manager\Memory Management\PrefetchParameters`, "EnablePrefetcher", "execution/prefetch", prefetcher},
	{artifact.HiveSystem, `CCS\Control\Session Manager\Memory Management\PrefetchParameters`, "EnableSuperfetch", "", nil},
	{artifact.HiveSystem, `CCS\Services\SysMain`, "Start", "execution/prefetch", service},
	{artifact.HiveSystem, `CCS\Services\Schedule`, "Start", "persistence/task-xml", service},
	{artifact.HiveSystem, `CCS\Services\AeLookupSvc`, "Start", "execution/recentfilecache", service},
	{artifact.HiveSystem, `CCS\Services\DPS`, "Start", "network/srum", service},
	{artifact.HiveSystem, `CCS\Services\EventLog`, "Start", "logon/evtx", service},
	{artifact.HiveSystem, `CCS\Control\FileSystem`, "NtfsDisableLastAccessUpdate", "filesystem/mft", lastAccess},
	{artifact.HiveSystem, `CCS\Control\FileSystem`, "NtfsDisable8dot3NameCreation", "", nil},
	{artifact.HiveSystem, `CCS\Services\EventLog\*`, "MaxSize|Retention|File|Start", "", nil},
	{artifact.HiveSystem, `CCS\Control\WMI\Autologger\EventLog-Security`, "Start", "logon/evtx", autologger},
	{artifact.HiveSystem, `CCS\Control\WMI\Autologger\EventLog-System`, "Start", "logon/evtx", autologger},
	{artifact.HiveSystem, `CCS\Control\WMI\Autologger\EventLog-Application`, "Start", "logon/evtx", autologger},
	{artifact.HiveSystem, `CCS\Services\SharedAccess\Parameters\FirewallPolicy\*`, "EnableFirewall", "", nil},
	{artifact.HiveSystem, `CCS\Services\SharedAccess\Parameters\FirewallPolicy\*\Logging`, "LogDroppedPackets|LogSuccessfulConnections", "network/firewall", onOff},
	{artifact.HiveSystem, `CCS\Services\SharedAccess\Parameters\FirewallPolicy\*\Logging`, "LogFilePath|LogFileSize", "", nil},
	{artifact.HiveSystem, `CCS\Services\VSS`, "Start", "", nil},
	{artifact.HiveSystem, `CCS\Services\W32Time\Parameters`, "Type|NtpServer", "", nil},
	{artifact.HiveSystem, `CCS\Services\Tcpip\Parameters`, "Hostname|Domain|DhcpDomain|NameServer|DhcpNameServer", "", nil},
	{artifact.HiveSystem, `CCS\Control\ComputerName\ComputerName`, "ComputerName", "", nil},
	{artifact.HiveSystem, `CCS\Control\CrashControl`, "CrashDumpEnabled|DumpFile|MinidumpDir", "", nil},
	{artifact.HiveSystem, `CCS\Control\Session Manager\Memory Management`, "ClearPageFileAtShutdown|PagingFiles|ExistingPageFiles", "", nil},
	{artifact.HiveSystem, `CCS\Control\Power`, "HibernateEnabled", "", nil},
	{artifact.HiveSystem, `CCS\Control\Session Manager\Power`, "HiberbootEnabled", "", nil},
	{artifact.HiveSystem, `CCS\Control\Lsa`, "auditbaseobjects|crashonauditfail|DisableDomainCreds|LimitBlankPasswordUse|NoLMHash|RunAsPPL", "", nil},
	{artifact.HiveSystem, `CCS\Control\Session Manager\AppCompatibility`, "DisableEngine", "execution/shimcache", offIfSet},
	{artifact.HiveSystem, "Select", "Current|Default|Failed|LastKnownGood", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows NT\CurrentVersion`, "ProductName|CurrentVersion|CurrentMajorVersionNumber|CurrentBuild|CurrentBuildNumber|UBR|CSDVersion|DisplayVersion|ReleaseId|EditionID|InstallationType|RegisteredOwner|RegisteredOrganization|SystemRoot|PathName|ProductId", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows\CurrentVersion\WINEVT\Channels\*`, "Enabled", "eventlog/channel", channel},
	{artifact.HiveSoftware, `Policies\Microsoft\Windows\PowerShell\ScriptBlockLogging`, "EnableScriptBlockLogging", "", nil},
	{artifact.HiveSoftware, `Policies\Microsoft\Windows\PowerShell\ModuleLogging`, "EnableModuleLogging", "", nil},
	{artifact.HiveSoftware, `Policies\Microsoft\Windows\PowerShell\Transcription`, "EnableTranscripting|OutputDirectory", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows\CurrentVersion\Policies\System\Audit`, "ProcessCreationIncludeCmdLine_Enabled", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows\CurrentVersion\Policies\System`, "EnableLUA|ConsentPromptBehaviorAdmin|LocalAccountTokenFilterPolicy", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows\CurrentVersion\Explorer\BitBucket`, "NukeOnDelete|UseGlobalSettings", "deletion/recyclebin", offIfSet},
	{artifact.HiveSoftware, `Microsoft\Windows NT\CurrentVersion\SystemRestore`, "DisableSR|RPSessionInterval", "", nil},
	{artifact.HiveSoftware, `Policies\Microsoft\Windows NT\SystemRestore`, "DisableSR", "", nil},
	{artifact.HiveSoftware, `Microsoft\Windows NT\CurrentVersion\Winlogon`, "DefaultUserName|DefaultDomainName|AutoAdminLogon|CachedLogonsCount|LastUsedUsername", "", nil},
	{artifact.HiveUser, `Software\Microsoft\Windows\CurrentVersion\Explorer\Advanced`, "Start_TrackProgs", "execution/userassist", offIfZero},
	{artifact.HiveUser, `Software\Microsoft\Windows\CurrentVersion\Explorer\Advanced`, "Start_TrackDocs", "document/recentdocs", offIfZero},
	{artifact.HiveUser, `Software\Microsoft\Windows\CurrentVersion\Explorer\Advanced`, "Hidden|HideFileExt|ShowSuperHidden", "", nil},
	{artifact.HiveUser, `Software\Microsoft\Windows\CurrentVersion\Policies\Explorer`, "NoRecentDocsHistory|ClearRecentDocsOnExit", "document/recentdocs", offIfSet},
	{artifact.HiveUser, `Software\Microsoft\Windows\CurrentVersion\Explorer\BitBucket\Volume\*`, "NukeOnDelete", "deletion/recyclebin", offIfSet},
}

// channels of the event log that an investigation asks for; the others are in
// registry/keys.
var channels = []string{
	"Microsoft-Windows-TaskScheduler/Operational", "Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-DNS-Client/Operational",
	"Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
	"Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational", "Microsoft-Windows-TerminalServices-RDPClient/Operational",
	"Microsoft-Windows-Bits-Client/Operational", "Microsoft-Windows-WMI-Activity/Operational", "Microsoft-Windows-Windows Defender/Operational",
	"Microsoft-Windows-PrintService/Operational", "Microsoft-Windows-DriverFrameworks-UserMode/Operational", "Microsoft-Windows-SMBServer/Security",
	"Microsoft-Windows-SmbClient/Connectivity", "Microsoft-Windows-Partition/Diagnostic", "Microsoft-Windows-Kernel-PnP/Configuration", "Microsoft-Windows-WinRM/Operational",
	"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "Microsoft-Windows-CodeIntegrity/Operational", "OpenSSH/Operational",
}

func prefetcher(n uint64) (string, coverage.History) {
	switch n {
	case 0:
		return "off", coverage.Off
	case 1:
		return "programs only", coverage.Recording
	case 2:
		return "boot only", coverage.Off
	case 3:
		return "programs and boot", coverage.Recording
	}
	return "", coverage.UnknownBefore
}

func service(n uint64) (string, coverage.History) {
	names := []string{"boot", "system", "automatic", "on demand", "disabled"}
	if n == 4 {
		return names[n], coverage.Off
	}
	if n < 4 {
		return names[n], coverage.Recording
	}
	return "", coverage.UnknownBefore
}

// lastAccess: bit 0 switches off, bit 31 says that Windows manages it, bit 1
// that it did ([fsutil behavior] disablelastaccess 0 to 3).
func lastAccess(n uint64) (string, coverage.History) {
	means, history := "last access times are kept, by steps of an hour", coverage.Recording
	if n&1 == 1 {
		means, history = "last access times are not kept", coverage.Off
	}
	if n&2 == 2 {
		means += ", as Windows decided"
	}
	return means, history
}

func onOff(n uint64) (string, coverage.History) {
	if n == 0 {
		return "off", coverage.Off
	}
	return "on", coverage.Recording
}

func autologger(n uint64) (string, coverage.History) { return onOff(n) }

func channel(n uint64) (string, coverage.History) { return onOff(n) }

func offIfSet(n uint64) (string, coverage.History) {
	if n != 0 {
		return "recording is switched off", coverage.Off
	}
	return "recording is not switched off", coverage.Recording
}

func offIfZero(n uint64) (string, coverage.History) {
	if n == 0 {
		return "recording is switched off", coverage.Off
	}
	return "recording is on", coverage.Recording
}

type settings struct {
	in   *artifact.Input
	h    *artifact.Hive
	emit func(*event.Event) error
	err  error
}

func readSettings(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	s := &settings{in: in, h: h, emit: emit}
	for _, sw := range switches {
		if sw.kind != h.Kind {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for k := range h.Find(in, sw.key) {
			if sw.about == "eventlog/channel" && !wanted(k.Name) {
				continue
			}
			for v := range h.Values(in, k) {
				for name := range strings.SplitSeq(sw.values, "|") {
					if strings.EqualFold(name, v.Name) {
						s.setting(k, v, sw.about, sw.sense)
					}
				}
			}
		}
	}
	switch h.Kind {
	case artifact.HiveSystem:
		s.zone()
		s.shutdown()
	case artifact.HiveSoftware:
		s.installed()
	case artifact.HiveSecurity:
		s.audit()
	}
	if s.err != nil {
		return s.err
	}
	in.Cover(coverage.Fact{History: coverage.Recording, State: h.State(), To: event.Ticks(h.Base.LastWritten), How: "settings as they stood when the hive was written last"})
	return nil
}

func wanted(channel string) bool {
	for _, c := range channels {
		if strings.EqualFold(c, channel) {
			return true
		}
	}
	return false
}

// put counts and emits one row.
func (s *settings) put(e *event.Event) {
	s.in.Counts.Declared++
	s.in.Counts.Decoded++
	if s.err == nil {
		s.err = s.emit(e)
	}
}

// fact is a setting as a row.
func (s *settings) fact(k *regf.Key, name string, offset int64, value, means, about string) *event.Event {
	e := &event.Event{
		Fact: true, To: event.Ticks(k.LastWritten), Meaning: "setting stands", Action: event.Configured,
		RegistryKey: s.h.Name(k), RegistryValue: name, UserSID: s.h.Owner(), User: s.h.User,
		At: s.h.At(s.in, offset, k.Path()), Length: 24 + int64(len(name)),
		Fields: []event.Field{event.Str("setting", name), event.Str("value", value)},
	}
	e.Message = fmt.Sprintf("%s: %s = %s", e.RegistryKey, name, strings.ReplaceAll(value, "\n", " | "))
	if means != "" {
		e.Fields = append(e.Fields, event.Str("means", means))
		e.Message += " (" + means + ")"
	}
	if about != "" {
		e.Fields = append(e.Fields, event.Str("about", about))
	}
	if set, current := s.h.CurrentSet(k.Path()); set != "" {
		e.Fields = append(e.Fields, event.Str("control_set", set), event.Bool("current_set", current))
	}
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	return e
}

func (s *settings) setting(k *regf.Key, v regf.Value, about string, sense sense) {
	means, history := "", coverage.History("")
	if n, ok := v.Uint(); ok && sense != nil {
		means, history = sense(n)
	}
	s.put(s.fact(k, v.Name, v.Offset, show(v), means, about))
	set, current := s.h.CurrentSet(k.Path())
	// That a source was switched on says nothing of what it holds, so only
	// what is off becomes a coverage fact of that source.
	if about == "" || history != coverage.Off || set != "" && !current {
		return
	}
	f := coverage.Fact{
		Artifact: about, History: history, State: coverage.Read, From: event.Ticks(k.LastWritten),
		How: fmt.Sprintf("%s: %s = %s (%s); key written %s", s.h.Name(k), v.Name, show(v), means, event.Ticks(k.LastWritten)),
	}
	f.At = s.h.At(s.in, v.Offset, k.Path())
	s.in.Cover(f)
}

// zone gives the time zone as one fact.
func (s *settings) zone() {
	for k := range s.h.Find(s.in, `CCS\Control\TimeZoneInformation`) {
		z := artifact.ReadZone(k)
		if !z.Known() {
			continue
		}
		means := fmt.Sprintf("UTC = local time %+d minutes", z.Bias+z.Standard.Bias)
		if z.Daylight.Month != 0 && z.Daylight.Bias != z.Standard.Bias {
			means += fmt.Sprintf(", %+d in summer", z.Bias+z.Daylight.Bias)
		}
		s.put(s.fact(k, "TimeZoneInformation", k.Offset, z.Name, means, ""))
	}
}

// shutdown is the time that Windows notes when it goes down in order.
func (s *settings) shutdown() {
	for k := range s.h.Find(s.in, `CCS\Control\Windows`) {
		v, err := k.Value("ShutdownTime")
		if err != nil {
			continue
		}
		b, err := v.Data()
		if err != nil || len(b) != 8 {
			continue
		}
		t := event.Ticks(binary.LittleEndian.Uint64(b))
		e := s.fact(k, v.Name, v.Offset, t.String(), "last shutdown in order", "")
		if t.Valid() {
			e.Fact, e.To, e.Ticks, e.Meaning, e.Action = false, 0, t, "system shut down", event.Stopped
			e.Message = "Windows was shut down"
		}
		s.put(e)
	}
}

// installed is the time of installation, or of the last large upgrade of 10.
func (s *settings) installed() {
	for k := range s.h.Find(s.in, `Microsoft\Windows NT\CurrentVersion`) {
		v, err := k.Value("InstallDate")
		if err != nil {
			continue
		}
		n, ok := v.Uint()
		if !ok || n == 0 || n >= 1<<32 {
			continue
		}
		e := s.fact(k, v.Name, v.Offset, fmt.Sprint(n), "installation or last upgrade", "")
		e.Fact, e.To, e.Ticks, e.Precision, e.Meaning, e.Action = false, 0, event.Ticks(n*10000000+116444736000000000), event.Second, "Windows installed", event.Installed
		e.Message = "Windows was installed or upgraded: " + artifact.Text(k, "ProductName")
		s.put(e)
	}
}
