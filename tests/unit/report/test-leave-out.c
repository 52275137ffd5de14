/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/report.h"
#include "test.h"

static const char whole[] =
        "{ 'emulators': [{ 'path': '/usr/bin/qemu', 'distribution': true, 'libvirt': false },"
        "                { 'path': '/opt/qemu', 'distribution': false, 'libvirt': true },"
        "                { 'path': '/home/ann/qemu', 'distribution': false, 'libvirt': false }],"
        "  'devices': [{ 'address': '0000:01:00.0',"
        "                'uses': [{ 'kind': 'process', 'what': 'Xorg (pid 812, card0)' },"
        "                         { 'kind': 'mount', 'what': '/boot' }],"
        "                'bars': [{ 'placements': [{ 'by': 'kernel' }, { 'by': '/home/ann/qemu' },"
        "                                          { 'by': '/opt/qemu' }] }] }],"
        "  'guests': [{ 'name': 'web1', 'pid': 4242, 'page_size': 4096,"
        "               'mappings': [{ 'pid': 4242, 'command': 'qemu', 'address': '0x7f00',"
        "                              'size': 4096 }] }],"
        "  'processes': [{ 'pid': 4242, 'exe': '/opt/qemu' }],"
        "  'vfio_holders': [{ 'pid': 4242 }],"
        "  'mappings': [{ 'pid': 4242, 'command': 'qemu', 'address': '0x7f00', 'size': 4096 }],"
        "  'mappings_complete': { 'value': 'unknown', 'source': 'none',"
        "                         'why': 'process 77 cannot be read' },"
        "  'findings': [{ 'id': 'a', 'subject': '/home/ann/qemu', 'detail': 'used by 2 processes' },"
        "               { 'id': 'b', 'subject': null, 'detail': 'region 0 in process 4242 (qemu)' },"
        "               { 'id': 'c', 'subject': '/opt/qemu', 'detail': 'why' }] }";

static const char rest[] =
        "{ 'emulators': [{ 'path': '/usr/bin/qemu', 'distribution': true, 'libvirt': false },"
        "                { 'path': '/opt/qemu', 'distribution': false, 'libvirt': true }],"
        "  'devices': [{ 'address': '0000:01:00.0',"
        "                'uses': [{ 'kind': 'process', 'what': 'a process' },"
        "                         { 'kind': 'mount', 'what': '/boot' }],"
        "                'bars': [{ 'placements': [{ 'by': 'kernel' }, { 'by': '/opt/qemu' }] }] }],"
        "  'guests': [{ 'name': 'web1', 'pid': null, 'page_size': 4096,"
        "               'mappings': [{ 'pid': null, 'command': null, 'address': null, 'size': 4096 }] }],"
        "  'processes': [],"
        "  'vfio_holders': [],"
        "  'mappings': [{ 'pid': null, 'command': null, 'address': null, 'size': 4096 }],"
        "  'mappings_complete': { 'value': 'unknown', 'source': 'none' },"
        "  'findings': [{ 'id': 'a', 'subject': null, 'detail': 'used by 2 processes' },"
        "               { 'id': 'b', 'subject': null, 'detail': null },"
        "               { 'id': 'c', 'subject': '/opt/qemu', 'detail': 'why' }],"
        "  'left_out': ['processes', 'addresses', 'emulators'] }";

static void test_leave_out(void **state)
{
        json_object *report = json_tokener_parse(whole), *expected = json_tokener_parse(rest);
        /* Of a running guest; the manager goes on with it. */
        json_object *kept = json_object_get(
                json_get(json_object_array_get_idx(json_get(report, "guests"), 0), "mappings"));

        (void) state;
        assert_non_null(expected);
        report_leave_out(report);
        assert_string_equal(json_object_to_json_string(report), json_object_to_json_string(expected));
        assert_int_equal(json_get_number(json_object_array_get_idx(kept, 0), "pid"), 4242);
        json_object_put(kept);
        json_object_put(report);
        json_object_put(expected);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_leave_out) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
