// Systolic processing element (after the TPU, ISCA 2017): one MAC and one register per operand, no scratch pad.
//
// STATIONARY names the operand that stays while the PE runs; `shift` moves it one PE down its column.
//
//     STATIONARY            runs on                                              shift
//     0 ifmap (input)       filter from the left, psum from above, both pass on  loads ifmaps from above
//     1 filter (weight)     ifmap from the left, psum from above, both pass on   loads filters from above
//     2 psum (output)       ifmap from the left, filter from above, both pass on drains psums, and takes psum_in
//
// Pipeline:  S1 operand register | S2 product register of the MAC | S3 add, write psum register.
// `valid_in` comes with the operand from the left and starts a MAC in any cycle. A psum that moves must be at psum_in
// two cycles after its valid_in; as S3 lasts one cycle, a row is one cycle behind the row above, and a column one
// behind the column to its left: the skew of a systolic array. `shift` reaches all PEs of a column in the same cycle:
// from the first cycle after the last valid_in on, where it loads; from the third on, where it drains. PEs that a
// layer leaves unused are fed zeros, so that psums pass through them. rst_n clears the pipeline's valid bits, no
// operand; shifting zeros in clears psums.
module systolic_pe #(
    parameter AW = 8,           // bits of an activation
    parameter WW = 8,           // bits of a weight
    parameter PW = 30,          // bits of a psum
    parameter STATIONARY = 1
) (
    input           clk,
    input           rst_n,      // synchronous, active low
    input           valid_in,
    input           shift,
    input  [AW-1:0] ifmap_in,
    input  [WW-1:0] filter_in,
    input  [PW-1:0] psum_in,
    output          valid_out,
    output [AW-1:0] ifmap_out,
    output [WW-1:0] filter_out,
    output [PW-1:0] psum_out
);
    reg valid_s2, valid_s3;
    always @(posedge clk) begin
        valid_s2 <= rst_n & valid_in;
        valid_s3 <= rst_n & valid_s2;
    end

    wire          drain = (STATIONARY == 2) & shift;
    wire [PW-1:0] psum_new;

    systolic_register #(.WIDTH(AW)) u_ifmap (
        .clk(clk), .en((STATIONARY == 0) ? shift : valid_in), .d(ifmap_in), .q(ifmap_out)
    );
    systolic_register #(.WIDTH(WW)) u_filter (
        .clk(clk), .en((STATIONARY == 1) ? shift : valid_in), .d(filter_in), .q(filter_out)
    );
    systolic_register #(.WIDTH(PW)) u_psum (
        .clk(clk), .en(valid_s3 | drain), .d(drain ? psum_in : psum_new), .q(psum_out)
    );
    mac #(.AW(AW), .WW(WW), .PW(PW)) u_mac (
        .clk(clk), .en(valid_s2), .act(ifmap_out), .wgt(filter_out),
        .psum_in((STATIONARY == 2) ? psum_out : psum_in), .psum_out(psum_new)
    );

    assign valid_out = valid_s2;
endmodule
