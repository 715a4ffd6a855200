/// What a user agent tells about a device, for its owner to recognise it. Nothing depends on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// `Safari · iPhone`, or `None` where nothing is recognised.
    pub(super) name: Option<String>,
    pub(super) handheld: bool,
}

/// Browsers name those they descend from, so the more particular word comes first.
const BROWSERS: [(&str, &str); 12] = [
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
    ("curl/", "curl"),
    ("okhttp", "okhttp"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

impl Device {
    pub(super) fn of(user_agent: Option<&str>) -> Self {
        let text = user_agent.unwrap_or_default();
        let known = |table: &[(&str, &'static str)]| {
            table
                .iter()
                .find(|(word, _)| text.contains(word))
                .map(|(_, name)| *name)
        };
        let (browser, system) = (known(&BROWSERS), known(&SYSTEMS));
        let parts: Vec<_> = [browser, system].into_iter().flatten().collect();
        Self {
            name: (!parts.is_empty()).then(|| parts.join(" · ")),
            handheld: matches!(system, Some("iPhone" | "iPad" | "Android" | "HarmonyOS")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_its_browser_and_system() {
        let name = |agent| Device::of(Some(agent)).name;
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        assert_eq!(name(edge).as_deref(), Some("Edge · Windows"));
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
        assert_eq!(name(iphone).as_deref(), Some("Safari · iPhone"));
        assert!(Device::of(Some(iphone)).handheld);
        assert_eq!(name("curl/8.5.0").as_deref(), Some("curl"));
        assert_eq!(
            Device::of(None),
            Device {
                name: None,
                handheld: false
            }
        );
    }
}
