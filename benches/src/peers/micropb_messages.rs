// What micropb-gen 0.7 makes of `adapters/protobuf/agent_socket.proto`'s request: borrowed texts, sizes
// kept between measuring and writing, no accessors. `micropb_gen::Generator` with
//
//   .encode_decode(EncodeOnly).encode_cache(true), and for "." .string_type("&'a str")
//   .vec_type("&'a [$T]").cache_vec_type("heapless::Vec<$T, 16>").no_accessors(true)
//
// makes it anew.
#[derive(Debug, Default, PartialEq, Clone, Copy)]
pub struct Timestamp {
    pub r#seconds: i64,
    pub r#nanos: i32,
}
impl Timestamp {}
impl ::micropb::MessageEncodeCached for Timestamp {
    const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
        let mut max_size = 0;
        match ::micropb::const_map!(
            ::core::result::Result::Ok(10usize), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result::Ok(10usize), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        ::core::result::Result::Ok(max_size)
    };
    type Cache = Timestamp_::_Cache;
    fn encode_cached<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
        &self,
        encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        cache: &Self::Cache,
    ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        {
            let val_ref = &self.r#seconds;
            if *val_ref != 0 {
                encoder.encode_varint32(8u32)?;
                encoder.encode_int64(*val_ref as _)?;
            }
        }
        {
            let val_ref = &self.r#nanos;
            if *val_ref != 0 {
                encoder.encode_varint32(16u32)?;
                encoder.encode_int32(*val_ref as _)?;
            }
        }
        Ok(())
    }
    fn populate_cache(&self) -> Self::Cache {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        let mut cache = Self::Cache::default();
        {
            let val_ref = &self.r#seconds;
            if *val_ref != 0 {
                cache._size += 1usize + ::micropb::size::sizeof_int64(*val_ref as _);
            }
        }
        {
            let val_ref = &self.r#nanos;
            if *val_ref != 0 {
                cache._size += 1usize + ::micropb::size::sizeof_int32(*val_ref as _);
            }
        }
        cache
    }
    fn compute_size_cached(&self, cache: &Self::Cache) -> usize {
        cache._size
    }
}
/// Inner types for `Timestamp`
pub mod Timestamp_ {
    #[derive(Default)]
    pub struct _Cache {
        pub _size: usize,
    }
}
#[derive(Debug, Default, PartialEq, Clone)]
pub struct HttpRequest<'a> {
    pub r#method: &'a str,
    pub r#url: &'a str,
    pub r#matched_rule: &'a str,
}
impl<'a> HttpRequest<'a> {}
impl<'a> ::micropb::MessageEncodeCached for HttpRequest<'a> {
    const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
        let mut max_size = 0;
        match ::micropb::const_map!(
            ::core::result::Result:: < usize, & 'static str >
            ::Err("(.HttpRequest.method) unbounded string or bytes"), | size | size +
            1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result:: < usize, & 'static str >
            ::Err("(.HttpRequest.url) unbounded string or bytes"), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result:: < usize, & 'static str >
            ::Err("(.HttpRequest.matched_rule) unbounded string or bytes"), | size | size
            + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        ::core::result::Result::Ok(max_size)
    };
    type Cache = HttpRequest_::_Cache;
    fn encode_cached<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
        &self,
        encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        cache: &Self::Cache,
    ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        {
            let val_ref = &self.r#method;
            if !val_ref.is_empty() {
                encoder.encode_varint32(10u32)?;
                encoder.encode_string(val_ref)?;
            }
        }
        {
            let val_ref = &self.r#url;
            if !val_ref.is_empty() {
                encoder.encode_varint32(18u32)?;
                encoder.encode_string(val_ref)?;
            }
        }
        {
            let val_ref = &self.r#matched_rule;
            if !val_ref.is_empty() {
                encoder.encode_varint32(26u32)?;
                encoder.encode_string(val_ref)?;
            }
        }
        Ok(())
    }
    fn populate_cache(&self) -> Self::Cache {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        let mut cache = Self::Cache::default();
        {
            let val_ref = &self.r#method;
            if !val_ref.is_empty() {
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
            }
        }
        {
            let val_ref = &self.r#url;
            if !val_ref.is_empty() {
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
            }
        }
        {
            let val_ref = &self.r#matched_rule;
            if !val_ref.is_empty() {
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
            }
        }
        cache
    }
    fn compute_size_cached(&self, cache: &Self::Cache) -> usize {
        cache._size
    }
}
/// Inner types for `HttpRequest`
pub mod HttpRequest_ {
    #[derive(Default)]
    pub struct _Cache {
        pub _size: usize,
    }
}
#[derive(Debug, Default, Clone)]
pub struct BoundaryLog<'a> {
    pub r#allowed: bool,
    /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
    pub r#time: Timestamp,
    pub r#sequence_number: i32,
    pub r#resource: ::core::option::Option<BoundaryLog_::Resource<'a>>,
    /// Tracks presence of optional and message fields
    pub _has: BoundaryLog_::_Hazzer,
}
impl<'a> ::core::cmp::PartialEq for BoundaryLog<'a> {
    fn eq(&self, other: &Self) -> bool {
        let mut ret = true;
        ret &= (self.r#allowed == other.r#allowed);
        ret &= (self.r#time() == other.r#time());
        ret &= (self.r#sequence_number == other.r#sequence_number);
        ret &= (self.r#resource == other.r#resource);
        ret
    }
}
impl<'a> BoundaryLog<'a> {
    /// Return a reference to `time` as an `Option`
    #[inline]
    pub fn r#time(&self) -> ::core::option::Option<&Timestamp> {
        self._has.r#time().then_some(&self.r#time)
    }
}
impl<'a> ::micropb::MessageEncodeCached for BoundaryLog<'a> {
    const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
        let mut max_size = 0;
        match ::micropb::const_map!(
            ::core::result::Result::Ok(1usize), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::micropb::const_map!(< Timestamp as ::micropb::MessageEncode > ::MAX_SIZE, |
            size | ::micropb::size::sizeof_len_record(size)), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result::Ok(10usize), | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match 'oneof: {
            let mut max_size = 0;
            match ::micropb::const_map!(
                ::micropb::const_map!(< HttpRequest as ::micropb::MessageEncode >
                ::MAX_SIZE, | size | ::micropb::size::sizeof_len_record(size)), | size |
                size + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    if size > max_size {
                        max_size = size;
                    }
                }
                ::core::result::Result::Err(err) => {
                    break 'oneof (::core::result::Result::<usize, _>::Err(err));
                }
            }
            ::core::result::Result::Ok(max_size)
        } {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        ::core::result::Result::Ok(max_size)
    };
    type Cache = BoundaryLog_::_Cache;
    fn encode_cached<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
        &self,
        encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        cache: &Self::Cache,
    ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        {
            let val_ref = &self.r#allowed;
            if *val_ref {
                encoder.encode_varint32(8u32)?;
                encoder.encode_bool(*val_ref)?;
            }
        }
        {
            if let ::core::option::Option::Some(val_ref) = self.r#time() {
                encoder.encode_varint32(18u32)?;
                val_ref.encode_len_delimited_cached(encoder, &cache.r#time)?;
            }
        }
        {
            let val_ref = &self.r#sequence_number;
            if *val_ref != 0 {
                encoder.encode_varint32(32u32)?;
                encoder.encode_int32(*val_ref as _)?;
            }
        }
        if let Some(oneof) = &self.r#resource {
            match &*oneof {
                BoundaryLog_::Resource::HttpRequest(val_ref) => {
                    let val_ref = &*val_ref;
                    encoder.encode_varint32(26u32)?;
                    if let BoundaryLog_::_ResourceCache::HttpRequest(subcache) = &cache
                        .r#resource
                    {
                        val_ref.encode_len_delimited_cached(encoder, &subcache)
                    } else {
                        core::unreachable!("unexpected cache variant")
                    }?;
                }
            }
        }
        Ok(())
    }
    fn populate_cache(&self) -> Self::Cache {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        let mut cache = Self::Cache::default();
        {
            let val_ref = &self.r#allowed;
            if *val_ref {
                cache._size += 1usize + 1;
            }
        }
        {
            if let ::core::option::Option::Some(val_ref) = self.r#time() {
                cache.r#time = val_ref.populate_cache();
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(cache.r#time._size);
            }
        }
        {
            let val_ref = &self.r#sequence_number;
            if *val_ref != 0 {
                cache._size += 1usize + ::micropb::size::sizeof_int32(*val_ref as _);
            }
        }
        if let Some(oneof) = &self.r#resource {
            match &*oneof {
                BoundaryLog_::Resource::HttpRequest(val_ref) => {
                    let val_ref = &*val_ref;
                    let subcache = val_ref.populate_cache();
                    cache._size
                        += 1usize + ::micropb::size::sizeof_len_record(subcache._size);
                    cache.r#resource = BoundaryLog_::_ResourceCache::HttpRequest(
                        subcache,
                    );
                }
            }
        }
        cache
    }
    fn compute_size_cached(&self, cache: &Self::Cache) -> usize {
        cache._size
    }
}
/// Inner types for `BoundaryLog`
pub mod BoundaryLog_ {
    #[derive(Debug, PartialEq, Clone)]
    pub enum Resource<'a> {
        HttpRequest(super::HttpRequest<'a>),
    }
    /// Compact bitfield for tracking presence of optional and message fields
    #[derive(Debug, Default, PartialEq, Clone, Copy)]
    pub struct _Hazzer([u8; 1]);
    impl _Hazzer {
        /// New hazzer with all fields set to off
        #[inline]
        pub const fn _new() -> Self {
            Self([0; 1])
        }
        /// Query presence of `time`
        #[inline]
        pub const fn r#time(&self) -> bool {
            (self.0[0] & 1) != 0
        }
        /// Set presence of `time`
        #[inline]
        pub const fn set_time(&mut self) -> &mut Self {
            let elem = &mut self.0[0];
            *elem |= 1;
            self
        }
        /// Clear presence of `time`
        #[inline]
        pub const fn clear_time(&mut self) -> &mut Self {
            let elem = &mut self.0[0];
            *elem &= !1;
            self
        }
        /// Builder method that sets the presence of `time`. Useful for initializing the Hazzer.
        #[inline]
        pub const fn init_time(mut self) -> Self {
            self.set_time();
            self
        }
    }
    #[derive(Default)]
    pub struct _Cache {
        pub _size: usize,
        pub r#time: super::Timestamp_::_Cache,
        pub r#resource: _ResourceCache,
    }
    #[derive(Default)]
    pub enum _ResourceCache {
        HttpRequest(super::HttpRequest_::_Cache),
        #[default]
        None,
    }
}
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ReportBoundaryLogsRequest<'a> {
    pub r#logs: &'a [BoundaryLog<'a>],
    pub r#session_id: &'a str,
    pub r#confined_process_name: &'a str,
}
impl<'a> ReportBoundaryLogsRequest<'a> {}
impl<'a> ::micropb::MessageEncodeCached for ReportBoundaryLogsRequest<'a> {
    const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
        let mut max_size = 0;
        match ::core::result::Result::<
            usize,
            &'static str,
        >::Err("(.ReportBoundaryLogsRequest.logs) unbounded vec") {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result:: < usize, & 'static str >
            ::Err("(.ReportBoundaryLogsRequest.session_id) unbounded string or bytes"), |
            size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        match ::micropb::const_map!(
            ::core::result::Result:: < usize, & 'static str >
            ::Err("(.ReportBoundaryLogsRequest.confined_process_name) unbounded string or bytes"),
            | size | size + 1usize
        ) {
            ::core::result::Result::Ok(size) => {
                max_size += size;
            }
            ::core::result::Result::Err(err) => {
                break 'msg (::core::result::Result::<usize, _>::Err(err));
            }
        }
        ::core::result::Result::Ok(max_size)
    };
    type Cache = ReportBoundaryLogsRequest_::_Cache;
    fn encode_cached<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
        &self,
        encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        cache: &Self::Cache,
    ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        {
            for (i, val_ref) in self.r#logs.iter().enumerate() {
                encoder.encode_varint32(10u32)?;
                val_ref.encode_len_delimited_cached(encoder, &cache.r#logs[i])?;
            }
        }
        {
            let val_ref = &self.r#session_id;
            if !val_ref.is_empty() {
                encoder.encode_varint32(18u32)?;
                encoder.encode_string(val_ref)?;
            }
        }
        {
            let val_ref = &self.r#confined_process_name;
            if !val_ref.is_empty() {
                encoder.encode_varint32(26u32)?;
                encoder.encode_string(val_ref)?;
            }
        }
        Ok(())
    }
    fn populate_cache(&self) -> Self::Cache {
        use ::micropb::{PbMap, PbVec, FieldEncode, MessageEncode};
        let mut cache = Self::Cache::default();
        {
            for (i, val_ref) in self.r#logs.iter().enumerate() {
                let elem = val_ref.populate_cache();
                cache._size += 1usize + ::micropb::size::sizeof_len_record(elem._size);
                cache.r#logs.pb_push(elem).expect("vec overflow while caching");
            }
        }
        {
            let val_ref = &self.r#session_id;
            if !val_ref.is_empty() {
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
            }
        }
        {
            let val_ref = &self.r#confined_process_name;
            if !val_ref.is_empty() {
                cache._size
                    += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
            }
        }
        cache
    }
    fn compute_size_cached(&self, cache: &Self::Cache) -> usize {
        cache._size
    }
}
/// Inner types for `ReportBoundaryLogsRequest`
pub mod ReportBoundaryLogsRequest_ {
    #[derive(Default)]
    pub struct _Cache {
        pub _size: usize,
        pub r#logs: heapless::Vec<super::BoundaryLog_::_Cache, 16>,
    }
}
