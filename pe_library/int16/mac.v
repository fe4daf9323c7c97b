// Multiply-accumulate, 16-bit activations x 16-bit weights, both two's complement.
// The product is exact; the sum wraps modulo 2^PW, and PW is wide enough that it never does (pe.yaml).
module mac #(
    parameter AW = 16,
    parameter WW = 16,
    parameter PW = 46
) (
    input           clk,
    input           en,
    input  [AW-1:0] act,
    input  [WW-1:0] wgt,
    input  [PW-1:0] psum_in,
    output [PW-1:0] psum_out
);
    // The synthesis turns `*` into a Booth multiplier.
    reg signed [AW+WW-1:0] product;
    always @(posedge clk)
        if (en) product <= $signed(act) * $signed(wgt);

    assign psum_out = psum_in + {{(PW-AW-WW){product[AW+WW-1]}}, product};
endmodule
