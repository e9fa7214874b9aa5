package persistence

// How a place names its programs.
const (
	command   = 'c' // the value's data is a command line or a file
	list      = 'l' // data is a list, parted by commas or blanks
	byName    = 'n' // the value's name is the file
	classOf   = 'd' // data is a class identifier
	className = 'v' // the value's name is a class identifier
	subclass  = 'k' // the name of a subkey is a class identifier, or a program identifier that leads to one
	setting   = 's' // no program: a switch that opens or closes a way
)

// place is one row of the table: where Windows looks for something to start.
type place struct {
	id    string
	in    string // H: SOFTWARE, U: Software of a user, W: Wow6432Node too, R: root of a user's hive, C: UsrClass, S: SYSTEM
	key   string // * is any name; CCS every control set
	names string // values, parted by |; "" is all, "@" the default value
	how   byte
	usual string // contents that a fresh Windows has, parted by |, lower case
}

const (
	cv  = `Microsoft\Windows\CurrentVersion\`
	nt  = `Microsoft\Windows NT\CurrentVersion\`
	sm  = `CCS\Control\Session Manager`
	lsa = `CCS\Control\Lsa`
)

// places is the list of ANCHORS 4c as far as the registry holds it and a
// value names a program. Classes of all programs (HKLM CLSID, shell
// extensions) are left out: a fresh Windows has thousands of them.
var places = []place{
	{"run", "HUW", cv + `Run`, "", command, ""},
	{"runonce", "HUW", cv + `RunOnce`, "", command, ""},
	{"runonce-setup", "HUW", cv + `RunOnce\Setup`, "", command, ""},
	{"runonceex", "HUW", cv + `RunOnceEx\*`, "", command, ""},
	{"runex", "HUW", cv + `RunEx`, "", command, ""},
	{"runservices", "HU", cv + `RunServices`, "", command, ""},
	{"runservicesonce", "HU", cv + `RunServicesOnce`, "", command, ""},
	{"policies-run", "HUW", cv + `Policies\Explorer\Run`, "", command, ""},
	{"policies-shell", "HU", cv + `Policies\System`, "Shell", list, "explorer.exe"},
	{"ts-run", "HU", nt + `Terminal Server\Install\Software\` + cv + `Run`, "", command, ""},
	{"ts-runonce", "HU", nt + `Terminal Server\Install\Software\` + cv + `RunOnce`, "", command, ""},
	{"windows-load", "U", nt + `Windows`, "Load|Run", command, ""},
	{"appinit", "HW", nt + `Windows`, "AppInit_DLLs|IconServiceLib", list, "iconcodecservice.dll"},
	{"winlogon", "HUW", nt + `Winlogon`, "Shell|Userinit|Taskman|VmApplet|System|UIHost|GinaDLL|AppSetup|LsaStart", list,
		`explorer.exe|c:\windows\system32\userinit.exe|userinit.exe|systempropertiesperformance.exe /pagefile|systempropertiesperformance.exe|rundll32 shell32|control_rundll "sysdm.cpl"|/pagefile|logonui.exe|c:\windows\system32\logonui.exe`},
	{"winlogon-notify", "HW", nt + `Winlogon\Notify\*`, "DLLName", command, "crypt32.dll|cryptnet.dll|cscdll.dll|sclgntfy.dll|wlnotify.dll|wgalogon.dll|igfxdev.dll|dimsntfy.dll"},
	{"gp-extensions", "HW", nt + `Winlogon\GPExtensions\*`, "DllName", command, ""},
	{"alternate-shells", "H", nt + `Winlogon\AlternateShells\AvailableShells`, "", command, "cmd.exe /c \"cd /d \"%userprofile%\" & start cmd.exe /k runonce.exe /alternateshellstartup\"|explorer.exe"},
	{"logon-script", "R", `Environment`, "UserInitMprLogonScript", command, ""},
	{"group-policy-script", "HU", cv + `Group Policy\Scripts\*\*\*`, "Script", command, ""},
	{"policy-script", "HU", `Policies\Microsoft\Windows\System\Scripts\*\*\*`, "Script", command, ""},
	{"active-setup", "HUW", `Microsoft\Active Setup\Installed Components\*`, "StubPath", command, ""},
	{"rdp-startup", "S", `CCS\Control\Terminal Server\Wds\rdpwd`, "StartupPrograms", list, "rdpclip"},
	{"rdp-initial", "S", `CCS\Control\Terminal Server\WinStations\*`, "InitialProgram", command, ""},
	{"rdp-policy", "HU", `Policies\Microsoft\Windows NT\Terminal Services`, "InitialProgram", command, ""},
	{"screensaver", "R", `Control Panel\Desktop`, "SCRNSAVE.EXE", command, `c:\windows\system32\logon.scr|logon.scr|c:\windows\system32\scrnsave.scr`},
	{"startup-folder", "HU", cv + `Explorer\User Shell Folders`, "Startup|Common Startup", command,
		`%userprofile%\appdata\roaming\microsoft\windows\start menu\programs\startup|c:\programdata\microsoft\windows\start menu\programs\startup|%userprofile%\start menu\programs\startup|c:\programdata\start menu\programs\startup`},
	{"command-autorun", "HUW", `Microsoft\Command Processor`, "AutoRun", command, ""},

	{"boot-execute", "S", sm, "BootExecute|SetupExecute|Execute|PlatformExecute|S0InitialCommand|BootExecuteNoPnpSync|SetupExecuteNoPnpSync", command, "autocheck autochk *|autocheck autochk /k:c *"},
	{"pending-rename", "S", sm, "PendingFileRenameOperations|PendingFileRenameOperations2", setting, ""},
	{"appcert", "S", sm + `\AppCertDlls`, "", command, ""},
	{"known-dlls", "S", sm + `\KnownDLLs`, "", command, "*"},
	{"subsystems", "S", sm + `\SubSystems`, "Debug|Kmode|Optional|Posix|Required|Windows", setting, "*"},
	{"environment", "S", sm + `\Environment`, "Path|PATHEXT|ComSpec|COR_ENABLE_PROFILING|COR_PROFILER|COR_PROFILER_PATH|CORECLR_PROFILER_PATH|DOTNET_STARTUP_HOOKS|JAVA_TOOL_OPTIONS", setting, `c:\windows\system32\cmd.exe`},
	{"user-environment", "R", `Environment`, "Path|COR_ENABLE_PROFILING|COR_PROFILER|COR_PROFILER_PATH|CORECLR_PROFILER_PATH|DOTNET_STARTUP_HOOKS|JAVA_TOOL_OPTIONS|APPDOMAIN_MANAGER_ASM|windir|SystemRoot", setting, ""},
	{"scm-extension", "S", `CCS\Control`, "ServiceControlManagerExtension", command, `c:\windows\system32\scext.dll`},
	{"boot-verification", "S", `CCS\Control\BootVerificationProgram`, "ImagePath", command, ""},
	{"safeboot", "S", `CCS\Control\SafeBoot`, "AlternateShell", command, "cmd.exe"},
	{"setup", "S", `Setup`, "CmdLine", command, "oobe\\windeploy.exe|setup -newsetup|setup -newsetup -mini"},

	{"lsa-packages", "S", lsa, "Authentication Packages|Security Packages|Notification Packages", command, `msv1_0|kerberos|schannel|wdigest|tspkg|pku2u|livessp|cloudap|scecli|rassfm|""`},
	{"lsa-os-packages", "S", lsa + `\OSConfig`, "Security Packages", command, `kerberos|msv1_0|schannel|wdigest|tspkg|pku2u|livessp|cloudap|""`},
	{"lsa-extension", "S", `CCS\Control\LsaExtensionConfig\LsaSrv`, "Extensions", command, "lsasrv.dll|efslsaext.dll|dpapisrv.dll"},
	{"lsa-auth0", "S", lsa + `\*`, "Auth0|Auth2", command, "iissuba|msv1_0|kerberos"},
	{"lsa-dsrm", "S", lsa, "DsrmAdminLogonBehavior", setting, ""},
	{"security-providers", "S", `CCS\Control\SecurityProviders`, "SecurityProviders", list, "credssp.dll|msapsspc.dll|schannel.dll|digest.dll|msnsspc.dll"},
	{"wdigest", "S", `CCS\Control\SecurityProviders\WDigest`, "UseLogonCredential", setting, ""},
	{"network-provider", "S", `CCS\Services\*\NetworkProvider`, "ProviderPath", command, `c:\windows\system32\ntlanman.dll|c:\windows\system32\drprov.dll|c:\windows\system32\davclnt.dll|c:\windows\system32\p9np.dll`},
	{"credential-provider", "H", cv + `Authentication\Credential Providers`, "", subclass, "*"},
	{"credential-filter", "H", cv + `Authentication\Credential Provider Filters`, "", subclass, "*"},
	{"plap-provider", "H", cv + `Authentication\PLAP Providers`, "", subclass, "*"},
	{"hidden-account", "H", nt + `Winlogon\SpecialAccounts\UserList`, "", setting, ""},

	{"bho", "HW", cv + `Explorer\Browser Helper Objects`, "", subclass, ""},
	{"ie-toolbar", "HUW", `Microsoft\Internet Explorer\Toolbar`, "", className, ""},
	{"ie-extension", "HUW", `Microsoft\Internet Explorer\Extensions\*`, "Exec|Script|ClsidExtension", command, ""},
	{"url-search-hook", "UW", `Microsoft\Internet Explorer\URLSearchHooks`, "", className, "{cfbfae00-17a6-11d0-99cb-00c04fd64497}"},
	{"shell-execute-hook", "HW", cv + `Explorer\ShellExecuteHooks`, "", className, "{aeb6717e-7e19-11d0-97ee-00c04fd91972}"},
	{"shared-task", "HW", cv + `Explorer\SharedTaskScheduler`, "", className, "{438755c2-a8ba-11d1-b96b-00a0c90312e1}|{8c7461ef-2b13-11d2-be35-3078302c2030}"},
	{"shell-service-delay", "HUW", cv + `ShellServiceObjectDelayLoad`, "", classOf, "{35cec8a3-2be6-11d2-8773-92e220524153}|{7849596a-48ea-486e-8937-a2a3009f31a9}|{fbeb8a05-beee-4442-804e-409d6c4515e9}|{e6fb5e20-de35-11cf-9c87-00aa005127ed}|{aaa288ba-9a4c-45b0-95d7-94d524869db5}"},
	{"icon-overlay", "HW", cv + `Explorer\ShellIconOverlayIdentifiers\*`, "@", classOf, ""},
	{"my-computer", "H", cv + `Explorer\MyComputer\*`, "@", command, `c:\windows\system32\cleanmgr.exe /d %c|c:\windows\system32\dfrgui.exe|c:\windows\system32\sdclt.exe|c:\windows\system32\cleanmgr.exe|c:\windows\system32\dfrg.msc %c:|c:\windows\system32\ntbackup.exe`},
	{"exe-handler", "H", `Classes\*\shell\open\command`, "@", command, `"%1" %*|"%1" /s|c:\windows\explorer.exe`},
	{"user-exe-handler", "U", `Classes\*\shell\open\command`, "@", command, `"%1" %*|"%1" /s|c:\windows\explorer.exe`},
	{"user-exe-handler", "C", `*\shell\open\command`, "@", command, `"%1" %*|"%1" /s|c:\windows\explorer.exe`},
	{"user-com", "U", `Classes\CLSID\*\InprocServer32`, "@", command, ""},
	{"user-com", "C", `CLSID\*\InprocServer32`, "@", command, ""},
	{"user-com", "C", `WOW6432Node\CLSID\*\InprocServer32`, "@", command, ""},
	{"user-com-local", "C", `CLSID\*\LocalServer32`, "@", command, ""},
	{"user-com-script", "C", `CLSID\*\ScriptletURL`, "@", command, ""},
	{"user-com-treatas", "C", `CLSID\*\TreatAs`, "@", classOf, ""},
	{"help-author", "U", `Microsoft\HtmlHelp Author`, "location", command, ""},
	{"accessibility", "H", nt + `Accessibility\ATs\*`, "StartExe", command, `*`},

	{"ifeo-debugger", "HW", nt + `Image File Execution Options\*`, "Debugger|VerifierDlls", command, ""},
	{"ifeo-flag", "HW", nt + `Image File Execution Options\*`, "GlobalFlag", setting, ""},
	{"silent-exit", "H", nt + `SilentProcessExit\*`, "MonitorProcess", command, ""},
	{"aedebug", "HW", nt + `AeDebug`, "Debugger", command, `drwtsn32 -p %ld -e %ld -g|"c:\windows\system32\vsjitdebugger.exe" -p %ld -e %ld`},
	{"wer-debugger", "HU", cv + `Windows Error Reporting\Hangs`, "Debugger", command, ""},
	{"wer-module", "HU", cv + `Windows Error Reporting\RuntimeExceptionHelperModules`, "", byName, ""},
	{"net-debugger", "HW", `Microsoft\.NETFramework`, "DbgManagedDebugger", command, ""},
	{"shim", "H", nt + `AppCompatFlags\InstalledSDB\*`, "DatabasePath", command, ""},
	{"telemetry", "H", nt + `AppCompatFlags\TelemetryController\*`, "Command", command, ""},
	{"amsi-provider", "H", `Microsoft\AMSI\Providers`, "", subclass, "{2781761e-28e0-4109-99fe-b9d127c57afe}"},
	{"netsh", "HW", `Microsoft\NetSh`, "", command, "*"},
	{"winsock", "S", `CCS\Services\WinSock2\Parameters`, "AutodialDLL", command, `c:\windows\system32\rasadhlp.dll|rasadhlp.dll`},
	{"print-monitor", "S", `CCS\Control\Print\Monitors\*`, "Driver", command, "localspl.dll|tcpmon.dll|usbmon.dll|wsdmon.dll|fxsmon.dll|appmon.dll|pjlmon.dll|cnbjmon.dll|mdimon.dll|ws2monitor.dll|ipp.dll|appmon.dll"},
	{"print-provider", "S", `CCS\Control\Print\Providers\*`, "Name", command, "win32spl.dll|inetpp.dll"},
	{"print-processor", "S", `CCS\Control\Print\Environments\*\Print Processors\*`, "Driver", command, "winprint.dll|localspl.dll|modiprint.dll"},
	{"time-provider", "S", `CCS\Services\W32Time\TimeProviders\*`, "DllName", command, `c:\windows\system32\w32time.dll|c:\windows\system32\vmictimeprovider.dll|w32time.dll`},
	{"dns-plugin", "S", `CCS\Services\DNS\Parameters`, "ServerLevelPluginDll", command, ""},
	{"dhcp-callout", "S", `CCS\Services\DHCPServer\Parameters`, "CalloutDlls", command, ""},
	{"port-proxy", "S", `CCS\Services\PortProxy\*\tcp`, "", setting, ""},
	{"ras-custom", "S", `CCS\Services\RasMan\PPP\EAP\*`, "Path|ConfigUIPath|IdentityPath", command, "*"},
	{"rdp-open", "S", `CCS\Control\Terminal Server`, "fDenyTSConnections", setting, ""},
	{"mpr-notify", "H", nt + `Winlogon`, "mpnotify", command, "mpnotify.exe"},
	{"drivers32", "HW", nt + `Drivers32`, "", command, "*"},

	{"office-addin", "HUW", `Microsoft\Office\*\Addins\*`, "FileName|Manifest", command, ""},
	{"office-com-addin", "HUW", `Microsoft\Office\*\Addins`, "", subclass, ""},
	{"office-open", "U", `Microsoft\Office\*\Excel\Options`, "OPEN|OPEN1|OPEN2|OPEN3", command, ""},
	{"office-test", "HU", `Microsoft\Office test\Special\Perf`, "@", command, ""},
	{"outlook-home", "U", `Microsoft\Office\*\Outlook\WebView\*`, "url", setting, ""},
	{"office-macros", "U", `Microsoft\Office\*\*\Security`, "VBAWarnings|AccessVBOM|EnableAllActiveX", setting, ""},
	{"office-trusted-place", "U", `Microsoft\Office\*\*\Security\Trusted Locations\*`, "Path", setting, ""},
	{"device-filter", "S", `CCS\Control\Class\*`, "UpperFilters|LowerFilters", command,
		"kbdclass|mouclass|partmgr|volsnap|fvevol|rdyboost|iorate|ksthunk|kbdhid|mouhid|redbook|imapi|cdrom|gearaspiwdm|volmgr|vmhgfs|stflt|pnpmem|serenum|uliagpkx|agp440|disk|ehstorclass|wudfrd|modemcsa|bthport|usbuhci|lvusbsta|winusb|luafv"},
	{"proxy", "U", cv + `Internet Settings`, "AutoConfigURL|ProxyServer", setting, ""},
	{"defender-exclusion", "H", `Microsoft\Windows Defender\Exclusions\*`, "", byName, ""},
	{"defender-exclusion", "H", `Policies\Microsoft\Windows Defender\Exclusions\*`, "", byName, ""},
	{"defender-off", "H", `Policies\Microsoft\Windows Defender`, "DisableAntiSpyware|DisableAntiVirus", setting, ""},
	{"defender-off", "H", `Policies\Microsoft\Windows Defender\Real-Time Protection`, "DisableRealtimeMonitoring|DisableBehaviorMonitoring|DisableOnAccessProtection|DisableScanOnRealtimeEnable", setting, ""},
}

// hijackable are the only types of file whose opening command is a start place:
// the program itself stands in it as "%1".
var hijackable = map[string]bool{"exefile": true, "comfile": true, "batfile": true, "cmdfile": true, "piffile": true, "scrfile": true, "htafile": true, "mscfile": true, "ms-settings": true, "folder": true}
