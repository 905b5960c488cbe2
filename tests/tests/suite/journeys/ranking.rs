//! What a search of the sample corpus must find first.

use groot_tests::system::System;

/// What is typed, and the speaker and the year of the address that must come first.
const FIRST: [(&str, &str); 20] = [
    ("lincoln 1861", "Abraham Lincoln: State of the Union 1861"),
    ("monroe 1823", "James Monroe: State of the Union 1823"),
    ("washngton 1790", "George Washington: State of the Union 1790"),
    ("emancipation proclamation", "Abraham Lincoln: State of the Union 1863"),
    ("panama canal", "William H Taft: State of the Union 1912"),
    ("war on poverty", "Lyndon B Johnson: State of the Union 1964"),
    ("watergate", "Richard Nixon: State of the Union 1974"),
    ("great society", "Lyndon B Johnson: State of the Union 1965"),
    ("gold california mines", "James Polk: State of the Union 1848"),
    ("\"axis of evil\"", "George W Bush: State of the Union 2002"),
    ("terrorists afghanistan", "George W Bush: State of the Union 2002"),
    ("sputnik", "Barack Obama: State of the Union 2011"),
    ("bank of the united states", "Andrew Jackson: State of the Union 1835"),
    ("pearl harbor", "Franklin D Roosevelt: State of the Union 1942"),
    ("kansas nebraska", "Franklin Pierce: State of the Union 1856"),
    ("spanish american war cuba", "William Mc Kinley: State of the Union 1898"),
    ("steam navy", "John Tyler: State of the Union 1844"),
    ("hiroshima atomic bomb", "Harry S Truman: State of the Union 1953"),
    ("mexico texas annexation", "James Polk: State of the Union 1846"),
    ("inflation energy crisis", "Jimmy Carter: State of the Union 1978"),
];

/// Each of them, as of some positions, which have commas between.
pub async fn assert_what_must_come_first_does(system: &System, positions: &str) {
    for (typed, title) in FIRST {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", typed).finish();
        let found = system.read_at(positions, &format!("/api/search?{query}"), None).await.expect(200).body;
        assert_eq!(found["data"][0]["title"], title, "{typed}");
    }
}
